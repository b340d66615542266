/** docs/lab-coverage.md says what the lab's routes say. */

import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { readConformity } from '../../pve/api-coverage/conformity.mts'
import { conformitySection } from '../../pve/api-coverage/conformity-table.mts'
import { coveredBy, operationOf } from '../../pve/api-coverage/schema.mts'
import { areaOf, coverageDocument } from '../../pve/api-coverage/table.mts'
import { routes } from '../../pve/routes.mts'
import { findApiSchema } from './api-schema.mts'

const howTo = 'make it anew: npm run lab:coverage -- apidata.json'
const schema = await findApiSchema()
const document = await readFile(new URL('../../../docs/lab-coverage.md', import.meta.url), 'utf8')
const conformity = await readConformity()
const covered = routes.map(operationOf)

/** Reads the operations in a document, as `METHOD /path`. */
function operationsNamed(document: string): string[] {
  return [...document.matchAll(/^\| ([A-Z]+) \| `([^`]+)` \|/gm)].map(
    ([, method, path]) => `${method} ${path}`,
  )
}

/** Reads the number of covered operations per area from a document's first table. */
function coveredByArea(document: string): Map<string, number> {
  return new Map(
    [...document.matchAll(/^\| `(\/.+)` \| (\d+) \| \d+ \|$/gm)].map(([, area, n]) => [area!, Number(n)]),
  )
}

test('it names each operation once, and no other', () => {
  expect(operationsNamed(document).toSorted(), howTo).toEqual(covered.toSorted())
})

test('its figures are theirs, area by area', () => {
  const counted = Object.groupBy(covered, areaOf)
  const expected = Object.entries(counted).map(([area, operations]) => [area, operations!.length] as const)
  expect([...coveredByArea(document)].sort(), howTo).toEqual(expected.sort())
  expect(document).toMatch(new RegExp(`^\\*\\*${covered.length} of \\d+ operations\\.\\*\\*`, 'm'))
})

test('it has the numbers of the conformance tests', () => {
  expect(document, howTo).toContain(conformitySection(conformity).join('\n'))
})

test.skipIf(!schema)("with Proxmox's schema it comes out the same", () => {
  expect(document, howTo).toBe(coverageDocument(routes.map(coveredBy), schema!, conformity))
})

test('an operation that Proxmox has not is no coverage', () => {
  expect(() =>
    coverageDocument([{ operation: 'GET /invented', parameters: [] }], new Map(), conformity),
  ).toThrow("Proxmox's schema does not know GET /invented")
})

test.each([
  ['GET /version', '/version'],
  ['GET /access/users/{userid}/token', '/access/users'],
  ['DELETE /pools/{poolid}', '/pools'],
  ['GET /nodes/{node}', '/nodes'],
  ['GET /nodes/{node}/qemu/{vmid}/config', '/nodes/{node}/qemu'],
])('%s belongs to %s', (operation, area) => {
  expect(areaOf(operation)).toBe(area)
})
