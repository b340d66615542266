/** What a person is to copy stays on one line: a command, up to where the sentence goes on. */
const word = /(?:zx|tofu|pveum) [^,;:]+[,;:]?|\S+/g

/**
 * Breaks lines at spaces, so that none is longer than `width` but for a word or a command that is.
 * @param indent before every line but the first of each of the text's own.
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
  for (const next of line.match(word) ?? []) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + next.length <= width) lines.push(`${lines.pop()} ${next}`)
    else lines.push(last === undefined ? `${lead}${next}` : `${indent}${next}`)
  }
  return lines.join('\n')
}
