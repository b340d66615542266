/** Compares the imports of source files with a table of rooms: folders, each on a level. */

import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path/posix'

export interface RoomTable {
  /**
   * Folders below the root, the lowest level first. `pve` holds the files of that folder, `pve/**` also those of every
   * folder below it, `.` the files of the root itself. A file imports its own room and rooms on lower levels.
   */
  levels: readonly (readonly string[])[]
  /** Folders below the root that are not compared and that no room imports, such as tests. */
  apart?: readonly string[]
  /** By room: beginnings of paths outside the root that it may import, relative to the root: `../../lab/`. */
  outside?: Readonly<Record<string, readonly string[]>>
}

/** By file: the files it imports. All paths are relative to the root. */
export type Imports = ReadonlyMap<string, readonly string[]>

/**
 * Reads all `.mts` files below a folder and checks their imports, type imports and dynamic ones too.
 *
 * @param root absolute path of the folder.
 * @returns one sentence per fault, sorted; empty if there is none. See `faultsOf`.
 */
export async function checkLevels(root: string, table: RoomTable): Promise<string[]> {
  const apart = ['node_modules', ...(table.apart ?? [])]
  const names = await readdir(root, { recursive: true })
  const files = names.filter(
    name => name.endsWith('.mts') && !apart.some(folder => name.startsWith(`${folder}/`)),
  )
  const read = async (file: string): Promise<[string, string[]]> => [
    file,
    importsIn(file, await readFile(join(root, file), 'utf8')),
  ]
  return faultsOf(new Map(await Promise.all(files.map(read))), table)
}

const FROM = /^\s*(?:import|export)\s[^'"]*?\bfrom\s+'(\.[^']+)'/gm
const BARE = /^\s*import\s+'(\.[^']+)'/gm
const DYNAMIC = /\bimport\(\s*'(\.[^']+)'/g

/** Relative imports in the text of a file, as paths from the root. */
export function importsIn(file: string, text: string): string[] {
  return [FROM, BARE, DYNAMIC]
    .flatMap(pattern => [...text.matchAll(pattern)])
    .map(([, path]) => normalize(join(dirname(file), path!)))
}

/**
 * Lists a folder without a level, a room without a file, an import of a room that is not on a lower level, an import
 * from outside the root, and a circle of files.
 */
export function faultsOf(imports: Imports, table: RoomTable): string[] {
  return [...unknownRooms(imports, table), ...wrongImports(imports, table), ...circles(imports)].sort()
}

interface Room {
  name: string
  level: number
}

function roomsIn({ levels }: RoomTable): Room[] {
  return levels.flatMap((names, level) => names.map(name => ({ name, level })))
}

/** The room with the longest name that holds the file. */
function roomOf(file: string, table: RoomTable): Room | undefined {
  const holds = ({ name }: Room): boolean =>
    name.endsWith('/**') ? file.startsWith(name.slice(0, -2)) : dirname(file) === name
  return roomsIn(table)
    .filter(holds)
    .sort((a, b) => b.name.length - a.name.length)[0]
}

function unknownRooms(imports: Imports, table: RoomTable): string[] {
  const files = [...imports.keys()]
  const homeless = files.filter(file => roomOf(file, table) === undefined).map(dirname)
  const inhabited = new Set(files.map(file => roomOf(file, table)?.name))
  return [
    ...new Set(homeless.map(folder => `${folder} has no level`)),
    ...roomsIn(table)
      .filter(({ name }) => !inhabited.has(name))
      .map(({ name }) => `${name} has a level but no file`),
  ]
}

function wrongImports(imports: Imports, table: RoomTable): string[] {
  return [...imports].flatMap(([file, targets]) =>
    targets.flatMap(target => {
      const fault = faultOfImport(file, target, table)
      return fault === undefined ? [] : [`${file} imports ${target}: ${fault}`]
    }),
  )
}

function faultOfImport(file: string, target: string, table: RoomTable): string | undefined {
  const own = roomOf(file, table)
  if (own === undefined) return undefined
  if (target.startsWith('../')) {
    const allowed = table.outside?.[own.name] ?? []
    return allowed.some(path => target.startsWith(path)) ? undefined : 'it is outside'
  }
  const other = roomOf(target, table)
  if (other === undefined) return 'it is in no room'
  if (other.name === own.name || other.level < own.level) return undefined
  return `${own.name} is on level ${own.level}, ${other.name} on level ${other.level}`
}

/** One sentence per circle that a walk along all imports meets. */
function circles(imports: Imports): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const walk = (file: string, path: string[]): void => {
    const start = path.indexOf(file)
    if (start >= 0) found.push(`circle: ${[...path.slice(start), file].join(' -> ')}`)
    if (start >= 0 || done.has(file)) return
    for (const target of imports.get(file) ?? []) walk(target, [...path, file])
    done.add(file)
  }
  for (const file of imports.keys()) walk(file, [])
  return found
}
