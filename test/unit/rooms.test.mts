/** Imports between rooms go down only, in scripts/lib and in the lab. */
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkLevels, faultsOf, importsIn } from '../../tools/rooms/check.mts'
import { drawRooms } from '../../tools/rooms/picture.mts'
import { LAB_ROOMS, LIBRARY_ROOMS, ROOMS } from '../../tools/rooms/table.mts'

const root = resolve(import.meta.dirname, '../..')
const lab = join(root, 'lab')

test('every import of scripts/lib is of its own room or of a lower one, and there is no circle', async () => {
  expect(await checkLevels(join(root, 'scripts/lib'), LIBRARY_ROOMS)).toEqual([])
})

test('the picture in docs/design.md is drawn from the table', async () => {
  const drawn = await readFile(join(root, 'docs/images/rooms.svg'), 'utf8')
  expect(drawn, 'npm run rooms draws it anew').toBe(drawRooms(ROOMS))
})

test('every import of the lab is of its own room or of a lower one, and there is no circle', async () => {
  expect(await checkLevels(lab, LAB_ROOMS)).toEqual([])
})

test('the lab and its tests import nothing of the toolkit, whose misreadings they would share', async () => {
  const files = (await readdir(lab, { recursive: true })).filter(name => name.endsWith('.mts'))
  expect(files.length).toBeGreaterThan(150)
  const imports = await Promise.all(
    files.map(async file => importsIn(file, await readFile(join(lab, file), 'utf8'))),
  )
  expect(imports.flat().filter(path => /^(\.\.\/)+scripts\//.test(path))).toEqual([])
})

describe('a table of rooms finds', () => {
  const table = { levels: [['ground'], ['hall', 'kitchen/**'], ['.']], outside: { hall: ['../garden/'] } }
  const sound = {
    'ground/a.mts': [],
    'hall/b.mts': ['ground/a.mts', '../garden/tree.mts'],
    'kitchen/c.mts': ['kitchen/cellar/d.mts', 'ground/a.mts'],
    'kitchen/cellar/d.mts': [],
    'main.mts': ['hall/b.mts', 'kitchen/c.mts'],
  }
  const faults = (changed: Record<string, string[]>): string[] =>
    faultsOf(new Map(Object.entries({ ...sound, ...changed })), table)

  test('nothing wrong in a house in order', () => {
    expect(faults({})).toEqual([])
  })

  test.each<[string, Record<string, string[]>, string[]]>([
    [
      'an import upwards',
      { 'ground/a.mts': ['main.mts'], 'main.mts': [] },
      ['ground/a.mts imports main.mts: ground is on level 0, . on level 2'],
    ],
    [
      'an import sideways',
      { 'hall/b.mts': ['kitchen/c.mts'] },
      ['hall/b.mts imports kitchen/c.mts: hall is on level 1, kitchen/** on level 1'],
    ],
    [
      'an import from outside',
      { 'ground/a.mts': ['../garden/tree.mts'] },
      ['ground/a.mts imports ../garden/tree.mts: it is outside'],
    ],
    ['a folder that is not in it', { 'hall/attic/e.mts': [] }, ['hall/attic has no level']],
    [
      'a circle inside a room',
      { 'kitchen/cellar/d.mts': ['kitchen/c.mts'] },
      ['circle: kitchen/c.mts -> kitchen/cellar/d.mts -> kitchen/c.mts'],
    ],
  ])('%s', (_, changed, expected) => {
    expect(faults(changed)).toEqual(expected)
  })

  test('a room without a file', () => {
    expect(faultsOf(new Map([['main.mts', []]]), { levels: [['gone'], ['.']] })).toEqual([
      'gone has a level but no file',
    ])
  })

  test('imports in every form', () => {
    const text = [
      "import a, {\n  type B,\n} from './a.mts'",
      "import type { C } from '../c.mts'",
      "export { d } from './d.mts'",
      "import './e.mts'",
      "const f = await import('./f.mts')",
      "let g: typeof import('./g.mts')",
      "import { h } from 'h'",
    ].join('\n')
    expect(importsIn('x/y.mts', text)).toEqual([
      ...['x/a.mts', 'c.mts', 'x/d.mts', 'x/e.mts', 'x/f.mts', 'x/g.mts'],
    ])
  })
})
