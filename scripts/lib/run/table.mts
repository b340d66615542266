/** Rows under a heading, in columns as wide as their widest cell. */
export function formatTable(heading: string[], rows: string[][]): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, column) => Math.max(...all.map(row => row[column]!.length)))
  return all
    .map(row => row.map((cell, column) => cell.padEnd(widths[column]!)))
    .map(cells => cells.join('  ').trimEnd())
    .join('\n')
}
