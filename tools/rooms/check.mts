import type { Imports } from './imports.mts'

/** The level of each room, by its folder. A folder within another has a level of its own. */
export type Levels = ReadonlyMap<string, number>

/** Lists the files without a room and the imports that do not go down, one sentence each. */
export function wrongDirections(imports: Imports, levels: Levels): string[] {
  const rooms = [...levels.keys()].sort((a, b) => b.length - a.length)
  const roomOf = (file: string) => rooms.find(room => file.startsWith(`${room}/`))
  return [...imports].flatMap(([file, imported]) => {
    const room = roomOf(file)
    if (room === undefined) return [`${file} is in no room`]
    return imported
      .map(path => ({ path, other: roomOf(path) }))
      .filter(({ other }) => other !== undefined && other !== room)
      .filter(({ other }) => levels.get(other!)! >= levels.get(room)!)
      .map(({ path }) => `${file} imports ${path}, which is not below ${room}`)
  })
}

/** Lists the circles of imports, each with the files that are in it. */
export function circles(imports: Imports): string[][] {
  const open: string[] = []
  const numbers = new Map<string, number>()
  const found: string[][] = []
  // Tarjan's strongly connected components: the lowest number that a file leads back to.
  function visit(file: string): number {
    const number = numbers.size
    numbers.set(file, number)
    open.push(file)
    let lowest = number
    for (const next of imports.get(file) ?? []) {
      if (!imports.has(next)) continue
      if (!numbers.has(next)) lowest = Math.min(lowest, visit(next))
      else if (open.includes(next)) lowest = Math.min(lowest, numbers.get(next)!)
    }
    if (lowest === number) {
      const circle = open.splice(open.indexOf(file))
      if (circle.length > 1) found.push(circle)
    }
    return lowest
  }
  for (const file of imports.keys()) if (!numbers.has(file)) visit(file)
  return found
}
