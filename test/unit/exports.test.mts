/** Each export is imported, and not by tests alone, in scripts/lib and in the lab. A name in scripts/lib has one meaning. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  exportedTwice,
  exportsIn,
  importedByNobody,
  readSources,
  type Sources,
  usedByTestsAlone,
} from '../../tools/rooms/exports.mts'

const repository = join(import.meta.dirname, '../..')
const sources = await readSources(repository, ['scripts', 'test', 'bench', 'lab', 'tools', 'docs/images'])
const exports = exportsIn(sources, 'scripts/lib/')
const PRODUCTION = ['scripts/', 'tools/']

/** Entry points of the package `pve-lab`, whose exports are for strangers. */
const LAB_ENTRIES = ['lab/create.mts', 'lab/pve/server.mts', 'lab/guests/driver.mts', 'lab/guests/none.mts']
const labSources: Sources = new Map([...sources].filter(([file]) => !/^lab\/(dist|test)\//.test(file)))
const labExports = exportsIn(labSources, 'lab/').filter(({ file }) => !LAB_ENTRIES.includes(file))

test('no name is exported twice', () => {
  expect(exports.length).toBeGreaterThan(500)
  expect(exportedTwice(exports)).toEqual({})
})

test('each export is imported somewhere', () => {
  expect(importedByNobody(exports, sources)).toEqual([])
})

test('nothing in scripts/lib is there for tests alone', () => {
  expect(usedByTestsAlone(exports, sources, PRODUCTION)).toEqual([])
})

test('each export of the lab is imported somewhere, and not by tests alone', () => {
  expect(labExports.length).toBeGreaterThan(250)
  expect(importedByNobody(labExports, sources)).toEqual([])
  const production = [...labSources.keys()].filter(file => /^(lab|scripts)\//.test(file))
  expect(usedByTestsAlone(labExports, sources, production)).toEqual([])
})

const sample = (files: Record<string, string>): Sources => new Map(Object.entries(files))

test('a name in two files is reported, whatever it is', () => {
  const files = sample({
    'lib/a.mts': 'export interface Same {}\nexport const once = 1',
    'lib/b.mts': 'export async function Same() {}\nfunction once() {}',
    'other/c.mts': 'export const once = 1',
  })
  expect(exportedTwice(exportsIn(files, 'lib/'))).toEqual({ Same: ['lib/a.mts', 'lib/b.mts'] })
})

test.each([
  "import { type A, b as c } from './a.mts'",
  "import {\n  type A,\n  b,\n} from '../lib/a.mts'",
  "export { type A, b } from './a.mts'",
  "async function load() {\n  const { A, b: c } = await import('./a.mts')\n}",
  "const { A, b } = await import(\n  './a.mts'\n)",
  "const [{ x }, { A, b }] = await Promise.all([\n  import('./x.mts'),\n  import('./a.mts'),\n])",
  "const all = await import('./a.mts')\nall.b(all.A)",
])('%j imports both names', text => {
  const files = sample({ 'lib/a.mts': 'export type A = 1\nexport const b = 1', 'lib/b.mts': text })
  expect(importedByNobody(exportsIn(files, 'lib/a'), files)).toEqual([])
})

test('an export without an import is reported, and one whose name another file exports', () => {
  const files = sample({
    'lib/a.mts': 'export const used = 1\nexport const left = used',
    'lib/b.mts': "export const used = 2\nimport { used as one } from './a.mts'",
  })
  expect(importedByNobody(exportsIn(files, 'lib/'), files)).toEqual(['lib/a.mts left', 'lib/b.mts used'])
})

test('an export for tests alone is reported, unless its own file uses it', () => {
  const files = sample({
    'lib/a.mts':
      'export const idle = 1 // idle\n/** About idle. */\nexport const busy = 1\nexport const main = busy',
    'main.mts': "import { main } from './lib/a.mts'",
    'test/a.mts': "import { busy, idle, main } from '../lib/a.mts'",
  })
  expect(usedByTestsAlone(exportsIn(files, 'lib/'), files, ['lib/', 'main'])).toEqual(['lib/a.mts idle'])
})
