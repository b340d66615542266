import { printableLine } from './printable.mts'

/** Formats rows under a heading, in columns as wide as their widest cell. Leaves out columns without content. */
export function formatTable(heading: string[], rows: string[][]): string {
  const isUsed = (column: number) => rows.length === 0 || rows.some(row => row[column] !== '')
  const columns = [...heading.keys()].filter(isUsed)
  const all = [heading, ...rows.map(row => row.map(cell => printableLine(cell)))]
  const widths = heading.map((_, column) => Math.max(...all.map(row => row[column]!.length)))
  return all
    .map(row => columns.map(column => row[column]!.padEnd(widths[column]!)))
    .map(cells => cells.join('  ').trimEnd())
    .join('\n')
}
