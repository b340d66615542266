/** What a program printed, and when. */
export interface Printed {
  /** Seconds since it was started. */
  at: number
  text: string
}

/** An asciicast (version 2), which `asciinema play` and its web player show. Pauses are shown 2 s long at most. */
export function castOf(title: string, printed: Printed[], columns = 120, rows = 36): string {
  const header = { version: 2, width: columns, height: rows, title, idle_time_limit: 2 }
  const events = printed.map(({ at, text }) => [Number(at.toFixed(3)), 'o', text.replaceAll('\n', '\r\n')])
  return `${[header, ...events].map(line => JSON.stringify(line)).join('\n')}\n`
}

/** What was printed, line by line, without empty ones at the end. */
export function linesOf(cast: string): string[] {
  const [, ...events] = cast.trimEnd().split('\n')
  const text = events.map(event => JSON.parse(event)[2]).join('')
  return text.replaceAll('\r', '').trimEnd().split('\n')
}

const lineHeight = 17
const letterWidth = 7.85

/** A still picture of lines in a terminal, light or dark as its reader wants it. */
export function svgOf(title: string, lines: string[]): string {
  const width = Math.ceil(Math.max(...lines.map(line => line.length)) * letterWidth) + 32
  const height = lines.length * lineHeight + 28
  const texts = lines.map((line, index) => {
    const look = /^(==|\$) /.test(line) ? ' class="told"' : /MISSING|^error/.test(line) ? ' class="bad"' : ''
    return `<text${look} x="16" y="${26 + index * lineHeight}" xml:space="preserve">${escaped(line)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escaped(title)}">
<style>
rect { fill: #f6f7f9; stroke: #d4d9e0 }
text { fill: #17202b; font: 13px ui-monospace, Menlo, Consolas, monospace }
.told { fill: #0b6e5a; font-weight: 700 }
.bad { fill: #b3261e; font-weight: 700 }
@media (prefers-color-scheme: dark) {
  rect { fill: #12161c; stroke: #39424f }
  text { fill: #e8ecf1 }
  .told { fill: #4cc9a6 }
  .bad { fill: #ff8a80 }
}
</style>
<rect width="100%" height="100%" rx="8"/>
${texts.join('\n')}
</svg>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
