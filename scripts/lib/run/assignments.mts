import { type CommandSpec, usageError } from './command-line.mts'

/** `NAME=VALUE` options as an object. @throws ProxmintError (usage) for anything else. */
export function assignments(
  spec: Pick<CommandSpec, 'name'>,
  option: string,
  texts: string[],
): Record<string, string> {
  const pairs = texts.map((text): [string, string] => {
    const match = /^(\w+)=([\s\S]*)$/.exec(text)
    if (match === null) throw usageError(spec, `option \`--${option}\` takes NAME=VALUE, not \`${text}\``)
    return [match[1]!, match[2]!]
  })
  return Object.fromEntries(pairs)
}
