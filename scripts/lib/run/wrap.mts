/** A word, or a command up to the next comma, semicolon or colon: a person copies it as one line. */
const WORD = /(?:zx|tofu|pveum) [^,;:]+[,;:]?|\S+/g

/**
 * Breaks lines at spaces. Only a single word or command can be longer than `width` characters.
 * @param indent Put before each continuation line.
 */
export function wrap(text: string, width: number, indent: string): string {
  return text
    .split('\n')
    .map(line => wrapLine(line, width, indent))
    .join('\n')
}

function wrapLine(line: string, width: number, indent: string): string {
  const [lead = ''] = /^\s*/.exec(line)!
  const lines: string[] = []
  for (const next of line.match(WORD) ?? []) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + next.length <= width) lines.push(`${lines.pop()} ${next}`)
    else lines.push(last === undefined ? `${lead}${next}` : `${indent}${next}`)
  }
  return lines.join('\n')
}
