/** Writes the document that lists Proxmox's operations in the lab. */

import type { Conformity } from './conformity.mts'
import { conformitySection } from './conformity-table.mts'
import type { ApiSchema, Covered } from './schema.mts'

/** Returns the group of an operation: `/nodes/{node}/qemu`, `/access/users`, `/version`. */
export function areaOf(operation: string): string {
  const segments = operation.slice(operation.indexOf('/') + 1).split('/')
  const depth = segments[0] === 'nodes' ? 3 : 2
  const area = segments.slice(0, depth)
  // A path that ends in the name of one object belongs to the list of these objects.
  while (area.length > 1 && area.at(-1)!.startsWith('{')) area.pop()
  return `/${area.join('/')}`
}

interface Area {
  name: string
  covered: string[]
  total: number
}

function areasOf(covered: readonly string[], all: readonly string[]): Area[] {
  const names = [...new Set(all.map(areaOf))].sort()
  return names.map(name => ({
    name,
    covered: covered.filter(operation => areaOf(operation) === name),
    total: all.filter(operation => areaOf(operation) === name).length,
  }))
}

/** Orders by path, then by method. */
function byPath({ operation: a }: Covered, { operation: b }: Covered): number {
  return compare(a.slice(a.indexOf('/')), b.slice(b.indexOf('/'))) || compare(a, b)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function row(...cells: (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

function code(text: string): string {
  return `\`${text}\``
}

/** Writes the document in Markdown. @throws {Error} if Proxmox lacks an operation of the lab. */
export function coverageDocument(
  covered: readonly Covered[],
  schema: ApiSchema,
  conformity: Conformity,
): string {
  const unknown = covered.filter(({ operation }) => !schema.has(operation))
  if (unknown.length > 0)
    throw new Error(`Proxmox's schema does not know ${unknown.map(({ operation }) => operation).join(', ')}`)
  const areas = areasOf(
    covered.map(({ operation }) => operation),
    [...schema.keys()],
  )
  return [
    "# What of Proxmox VE's API the lab covers",
    '',
    "Made by `npm run lab:coverage -- apidata.json` from the lab's routes and Proxmox's own API schema, which comes",
    'with pve-docs and is not part of this project. Tests hold this page against the routes, and each operation',
    'below against the schema: its parameters, the privileges it asks for, and its answer.',
    '',
    `**${covered.length} of ${schema.size} operations.** Every other one answers 501.`,
    '',
    ...areaTable(areas),
    '',
    ...conformitySection(conformity),
    '',
    '## Covered operations',
    '',
    'A parameter that is not taken is a 400, as an unknown one is.',
    '',
    row('method', 'path', 'parameters not taken'),
    '|---|---|---|',
    ...covered.toSorted(byPath).map(each => operationRow(each, schema)),
    '',
  ].join('\n')
}

function areaTable(areas: Area[]): string[] {
  const without = areas.filter(area => area.covered.length === 0)
  return [
    row('area', 'covered', 'of'),
    '|---|---|---|',
    ...areas
      .filter(area => area.covered.length > 0)
      .map(({ name, covered, total }) => row(code(name), covered.length, total)),
    row(
      `${without.length} other areas`,
      0,
      without.map(({ total }) => total).reduce((a, b) => a + b, 0),
    ),
    '',
    'Nothing is covered of:',
    '',
    `${without.map(({ name, total }) => `${code(name)} (${total})`).join(', ')}.`,
  ]
}

function operationRow({ operation, parameters }: Covered, schema: ApiSchema): string {
  const [method, path] = operation.split(' ')
  const known = Object.keys(schema.get(operation)?.parameters?.properties ?? {})
  return row(
    method!,
    code(path!),
    known
      .filter(name => !parameters.includes(name))
      .map(code)
      .join(', '),
  )
}
