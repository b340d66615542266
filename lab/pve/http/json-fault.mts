/** Says what is wrong with a JSON text, as Proxmox's parser does (JSON::XS). */

interface Cursor {
  text: string
  at: number
  /** Arrays and objects around the cursor. */
  depth: number
}

/** Deepest nesting that the parser takes. */
const MAX_DEPTH = 512

class Malformed extends Error {}

function space(cursor: Cursor): void {
  while (/[ \t\r\n]/.test(cursor.text[cursor.at] ?? '')) cursor.at++
}

function take(cursor: Cursor, char: string): boolean {
  space(cursor)
  if (cursor.text[cursor.at] !== char) return false
  cursor.at++
  return true
}

function expect(cursor: Cursor, char: string): void {
  if (!take(cursor, char)) throw new Malformed(`'${char}' expected`)
}

/** Skips what a pattern matches at the cursor, and returns it. */
function skip(cursor: Cursor, pattern: RegExp): string {
  const [found] = pattern.exec(cursor.text.slice(cursor.at))!
  cursor.at += found.length
  return found
}

function skipItems(cursor: Cursor, end: string, kind: string, item: (cursor: Cursor) => void): void {
  cursor.depth++
  if (cursor.depth > MAX_DEPTH)
    throw new Malformed('json text or perl structure exceeds maximum nesting level (max_depth set too low?)')
  if (take(cursor, end)) return void cursor.depth--
  for (;;) {
    item(cursor)
    if (take(cursor, end)) return void cursor.depth--
    if (!take(cursor, ',')) throw new Malformed(`, or ${end} expected while parsing ${kind}`)
  }
}

function skipMember(cursor: Cursor): void {
  expect(cursor, '"')
  skipString(cursor)
  expect(cursor, ':')
  skipValue(cursor)
}

/** Skips the rest of a string, after its first quotation mark. */
function skipString(cursor: Cursor): void {
  skip(cursor, /^(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-f]{4}))*/i)
  if (cursor.text[cursor.at] === '"') cursor.at++
  else throw new Malformed(stringFault(cursor.text[cursor.at]))
}

function stringFault(char: string | undefined): string {
  if (char === undefined) return 'unexpected end of string while parsing JSON string'
  if (char === '\\') return 'illegal backslash escape sequence in string'
  const code = char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
  return `invalid character 0x${code} encountered while parsing JSON string`
}

function skipNumber(cursor: Cursor): void {
  const number = skip(cursor, /^-?(?:0|[1-9]\d*)?(?:\.\d+)?(?:e[-+]?\d+)?/i)
  if (/^-?$/.test(number)) throw new Malformed('malformed number (no digits after initial minus)')
  if (/^-?0$/.test(number) && /\d/.test(cursor.text[cursor.at] ?? ''))
    throw new Malformed('malformed number (leading zero must not be followed by another digit)')
}

function skipAtom(cursor: Cursor): void {
  const atom = ['true', 'false', 'null'].find(each => each[0] === cursor.text[cursor.at])
  if (!atom) throw new Malformed('malformed JSON string, neither tag, array, object, number, string or atom')
  if (!cursor.text.startsWith(atom, cursor.at)) throw new Malformed(`'${atom}' expected`)
  cursor.at += atom.length
}

function skipValue(cursor: Cursor): void {
  if (take(cursor, '"')) skipString(cursor)
  else if (take(cursor, '[')) skipItems(cursor, ']', 'array', skipValue)
  else if (take(cursor, '{')) skipItems(cursor, '}', 'object/hash', skipMember)
  else if (/[-0-9]/.test(cursor.text[cursor.at] ?? '')) skipNumber(cursor)
  else skipAtom(cursor)
}

/** Shows what follows: at most 20 characters. */
function shown({ text, at }: Cursor): string {
  const rest = text.slice(at)
  if (rest === '') return '(end of string)'
  const quoted = rest.slice(0, 20).replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')
  return rest.length > 20 ? `${quoted}...` : quoted
}

/** Returns the fault of a text that is not JSON, with its place. */
export function jsonFault(text: string): string {
  const cursor = { text, at: 0, depth: 0 }
  try {
    skipValue(cursor)
    space(cursor)
    throw new Malformed('garbage after JSON object')
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    return `${error.message}, at character offset ${cursor.at} (before "${shown(cursor)}")`
  }
}
