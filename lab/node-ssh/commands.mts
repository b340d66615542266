/** Commands of the node that are no programs: a small script passes their arguments to the lab. See program.sh. */

import type { Duplex } from 'node:stream'

interface CommandResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs a command of the node. @param args without the command's name. */
export type NodeCommand = (args: string[]) => Promise<CommandResult>

function replyOf({ code, stdout, stderr }: CommandResult): Buffer {
  const [out, error] = [Buffer.from(stdout), Buffer.from(stderr)]
  return Buffer.concat([Buffer.from(`${code} ${out.length} ${error.length}\n`), out, error])
}

async function runSafely(command: NodeCommand | undefined, args: string[]): Promise<CommandResult> {
  if (!command) return { code: 127, stdout: '', stderr: 'command not found\n' }
  return command(args).catch(error => ({
    code: 255,
    stdout: '',
    stderr: `${(error as Error).message.trimEnd()}\n`,
  }))
}

/** Takes a whole request from the texts that have come: a count, and so many texts. */
function takeRequest(texts: string[]): string[] | undefined {
  const count = Number(texts[0])
  return texts.length > count ? texts.splice(0, count + 1).slice(1) : undefined
}

/** Length of the longest argument list of Linux, in characters. */
const MAX_REQUEST = 2 * 1024 ** 2

/** Checks the begin of a request: a client can also write to the descriptor itself. */
function isRequest([count]: string[], length: number): boolean {
  return (count === undefined || /^[1-9]\d{0,5}$/.test(count)) && length <= MAX_REQUEST
}

/** Answers requests of one SSH command until it ends. */
export function serveCommands(
  from: Duplex,
  to: Duplex,
  commands: Readonly<Record<string, NodeCommand>>,
): void {
  let rest = ''
  const texts: string[] = []
  const answer = async (): Promise<void> => {
    if (!isRequest(texts, rest.length + texts.join('').length)) return void from.destroy()
    const request = takeRequest(texts)
    if (!request) return
    const [name, ...args] = request
    to.write(replyOf(await runSafely(Object.hasOwn(commands, name!) ? commands[name!] : undefined, args)))
    return answer()
  }
  from.setEncoding('utf8')
  from.on('data', (chunk: string) => {
    const parts = `${rest}${chunk}`.split('\0')
    rest = parts.pop()!
    texts.push(...parts)
    void answer()
  })
  // A command may end before it has read an answer. That is not a failure.
  for (const stream of [from, to]) stream.on('error', () => undefined)
}
