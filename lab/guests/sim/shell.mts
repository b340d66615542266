/** Shell code for the guest's boot scripts. */

/** A call of a function in the image's cloud-init-modules.sh. */
export interface Step {
  call: [name: string, ...args: string[]]
  /** Standard input, for data that is long, binary or secret. */
  input?: string | Buffer
}

export function step(...call: Step['call']): Step {
  return { call }
}

export function stepWithInput(input: string | Buffer, ...call: Step['call']): Step {
  return { call, input }
}

/** Returns a shell function that makes the calls in order. */
export function shellFunction(name: string, steps: Step[]): string {
  const lines = steps.length === 0 ? [':'] : steps.map(shellCall)
  return `${name}() {\n${lines.map(line => `  ${line}\n`).join('')}}\n`
}

export function shellCall({ call, input }: Step): string {
  const command = call.map(quote).join(' ')
  if (input === undefined) return command
  return `base64 -d <<< '${Buffer.from(input).toString('base64')}' | ${command}`
}

function quote(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
