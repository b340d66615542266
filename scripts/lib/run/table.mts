/** Rows of cells as lines, each column as wide as its widest cell; the first row is the heading. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const line = (row: string[]): string => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')
  return rows.map(row => line(row).trimEnd()).join('\n')
}

/** The same with the heading apart. */
export function formatTable(heading: string[], rows: string[][]): string {
  return table([heading, ...rows])
}
