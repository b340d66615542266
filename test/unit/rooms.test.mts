import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { circles, wrongDirections } from '../../tools/rooms/check.mts'
import { importsIn, readImports } from '../../tools/rooms/imports.mts'
import { drawRooms } from '../../tools/rooms/picture.mts'
import { ROOMS } from '../../tools/rooms/table.mts'

const library = join(import.meta.dirname, '../../scripts/lib')
const levels = new Map(ROOMS.map(({ folder, level }) => [folder, level]))

test('every import of scripts/lib goes to a lower level, and none makes a circle', async () => {
  const imports = await readImports(library)
  expect(imports.size).toBeGreaterThan(200)
  expect(wrongDirections(imports, levels)).toEqual([])
  expect(circles(imports)).toEqual([])
})

test('imports of types and imports at run time count', () => {
  const text = [
    "import type { A } from './a.mts'",
    "import {\n  b,\n} from '../other/b.mts'",
    "export { c } from './c.mts'",
    "import './d.mts'",
    "const e = await import('./e.mts')",
    "import { readFile } from 'node:fs/promises'",
  ].join('\n')
  expect(importsIn('room/file.mts', text)).toEqual([
    'room/a.mts',
    'other/b.mts',
    'room/c.mts',
    'room/d.mts',
    'room/e.mts',
  ])
})

test('an import upwards, one sideways and a file without a room are reported', () => {
  const imports = new Map([
    ['low/a.mts', ['high/b.mts', 'low/c.mts']],
    ['beside/d.mts', ['low/a.mts']],
    ['high/b.mts', ['low/a.mts']],
    ['nowhere/e.mts', []],
  ])
  const reported = wrongDirections(
    imports,
    new Map([
      ['low', 0],
      ['beside', 0],
      ['high', 1],
    ]),
  )
  expect(reported).toEqual([
    'low/a.mts imports high/b.mts, which is not below low',
    'beside/d.mts imports low/a.mts, which is not below beside',
    'nowhere/e.mts is in no room',
  ])
})

test('a circle of three files is found', () => {
  const imports = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', ['a']],
    ['d', []],
  ])
  expect(circles(imports)).toEqual([['a', 'b', 'c']])
})

test('the picture in docs/design.md is drawn from the table', async () => {
  const drawn = await readFile(join(import.meta.dirname, '../../docs/images/rooms.svg'), 'utf8')
  expect(drawn, 'npm run rooms draws it anew').toBe(drawRooms(ROOMS))
})
