/**
 * Draws the rooms of scripts/lib by their levels, for docs/design.md. Run: `npm run rooms`, which writes
 * docs/images/rooms.svg.
 */
import { writeFile } from 'node:fs/promises'
import { ROOMS, type Room } from './table.mts'

const WIDTH = 960
const LEFT = 48
const ROW = 64
const GAP = 10
/** How many letters of the small text fit into one pixel. */
const LETTERS_PER_PIXEL = 1 / 6.4

/** Draws the table, the highest level on top: an import goes downwards. */
export function drawRooms(rooms: readonly Room[]): string {
  const levels = [...new Set(rooms.map(({ level }) => level))].sort((a, b) => b - a)
  const height = levels.length * ROW + GAP
  const rows = levels.flatMap((level, index) =>
    drawLevel(
      rooms.filter(room => room.level === level),
      GAP + index * ROW,
    ),
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" role="img">`,
    '<title>The rooms of scripts/lib: an import goes to a lower level only</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

function drawLevel(rooms: Room[], top: number): string[] {
  const width = (WIDTH - LEFT - GAP * rooms.length) / rooms.length
  const number = `<text x="16" y="${top + 38}" font-size="15" fill="#57606a">${rooms[0]!.level}</text>`
  const boxes = rooms.flatMap((room, index) => drawRoom(room, LEFT + index * (width + GAP), top, width))
  return [number, ...boxes]
}

function drawRoom({ folder, holds }: Room, left: number, top: number, width: number): string[] {
  const middle = (left + width / 2).toFixed(1)
  const lines = wrapped(holds, Math.floor((width - GAP) * LETTERS_PER_PIXEL))
  const text = lines.map(
    (line, index) =>
      `<text x="${middle}" y="${top + 36 + index * 13}" font-size="11" fill="#57606a" text-anchor="middle">${line}</text>`,
  )
  return [
    `<rect x="${left.toFixed(1)}" y="${top}" width="${width.toFixed(1)}" height="${ROW - GAP}" rx="6" fill="#f6f8fa" stroke="#8c959f"/>`,
    `<text x="${middle}" y="${top + 19}" font-size="14" fill="#1f2328" text-anchor="middle">${folder}/</text>`,
    ...text,
  ]
}

function wrapped(text: string, letters: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line !== '' && line.length + 1 + word.length > letters) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines
}

if (import.meta.main) {
  await writeFile(new URL('../../docs/images/rooms.svg', import.meta.url), drawRooms(ROOMS))
}
