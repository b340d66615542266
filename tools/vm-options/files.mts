import type { VmOptionTable } from '../../scripts/lib/config/vm-option.mts'
import { optionTables } from './docs-table.mts'
import { fleetSchema, vmSchema } from './schemas.mts'

const page = 'docs/vm-options.md'
const marks = { begin: '<!-- made by `npm run vm-options` -->\n', end: '<!-- end -->\n' }

/**
 * Makes the files that follow from the table of VM options.
 * @param read returns the text of a file that is there, by its path from the project's root.
 * @returns their texts by path.
 */
export async function generatedFiles(
  table: VmOptionTable,
  read: (path: string) => Promise<string>,
): Promise<Record<string, string>> {
  return {
    'config/vm.schema.json': `${jsonText(vmSchema(table))}\n`,
    'config/fleet.schema.json': `${jsonText(fleetSchema(table))}\n`,
    [page]: withTables(await read(page), optionTables(table)),
  }
}

const lineWidth = 110

/**
 * Prints JSON as Biome formats it: lists, and objects of nothing but values, on one line where it is wide enough.
 * @param used width of the line before the value.
 */
function jsonText(value: unknown, indent = '', used = 0): string {
  if (Array.isArray(value)) return `[${value.map(one => jsonText(one)).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value)
  const line = `{ ${entries.map(([key, one]) => `${JSON.stringify(key)}: ${jsonText(one)}`).join(', ')} }`
  const isFlat = entries.every(([, one]) => typeof one !== 'object' || Array.isArray(one))
  if (isFlat && used + line.length < lineWidth) return line
  const inner = `${indent}  `
  const lines = entries.map(([key, one]) => {
    const before = `${inner}${JSON.stringify(key)}: `
    return before + jsonText(one, inner, before.length)
  })
  return `{\n${lines.join(',\n')}\n${indent}}`
}

/** @throws Error where the page has no marks. */
function withTables(text: string, tables: string): string {
  const [before, rest] = text.split(marks.begin)
  const after = rest?.split(marks.end)[1]
  if (after === undefined) throw new Error(`${page} does not say where the tables are to stand`)
  return `${before}${marks.begin}\n${tables}\n\n${marks.end}${after}`
}
