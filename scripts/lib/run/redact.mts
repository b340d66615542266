/** Secrets that are replaced by `***` in all that is printed or logged. */

const secrets = new Set<string>()
/** Shorter values are not registered: they would also replace ordinary words. */
const SHORTEST_SECRET = 6
/** Matches every registered secret; undefined after a registration. */
let known: RegExp | undefined

/**
 * Registers a secret: `redact` replaces it by `***` from now on. Each line of a value is registered by itself, since
 * logs are redacted line by line.
 */
export function registerSecret(value: string | undefined): void {
  for (const line of (value ?? '').split(/\r?\n/)) if (line.length >= SHORTEST_SECRET) secrets.add(line)
  known = undefined
}

/**
 * Replaces every registered secret in `text`, also as another program encoded it: in JSON, HCL, HTML, a URL or a form,
 * in several of them at once, and in Base64 at any position.
 */
export function redact(text: string): string {
  if (secrets.size === 0) return text
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length)
  known ??= new RegExp(
    longestFirst.flatMap(secret => [encodings(secret), ...base64Of(secret)]).join('|'),
    'gu',
  )
  return text.replaceAll(known, '***')
}

/**
 * Formats a document as JSON. Secrets are replaced in its values before they are encoded. What moves the cursor or turns
 * the direction of text is escaped, which means the same to every reader of JSON.
 * @param indent Spaces; default 2.
 */
export function jsonText(document: unknown, { indent = 2, redacted = true } = {}): string {
  const text = JSON.stringify(document, redacted ? redactedValue : undefined, indent)
  return text.replaceAll(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, unicodeEscape)
}

function redactedValue(_: string, value: unknown): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [redact(key), one]))
}

function unicodeEscape(sign: string): string {
  return `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Pattern for a secret of which each sign may be encoded in its own way. */
function encodings(secret: string): string {
  const signs = secret.match(/\\+|[^\\]/gu) ?? []
  return signs.map(sign => (/[A-Za-z0-9]/.test(sign) ? sign : signPattern(sign))).join('')
}

/** Pattern for a run of backslashes; one pattern for each would try every way to share out a longer run. */
function backslashes(count: number): string {
  return `(?:\\\\{${count},}|(?:\\\\+u005[cC]|%5[cC]|&#0*92;|&#[xX]0*5[cC];){${count}})`
}

const HTML_NAMES: Record<string, string> = { '"': 'quot', "'": 'apos', '&': 'amp', '<': 'lt', '>': 'gt' }

function signPattern(sign: string): string {
  if (sign.startsWith('\\')) return backslashes(sign.length)
  const number = sign.codePointAt(0)!
  const units = Array.from({ length: sign.length }, (_, index) => sign.charCodeAt(index))
  const percent = [...Buffer.from(sign)].map(byte => `%${anyCase(byte, 2)}`).join('')
  const ways = [
    units.map(unit => `\\\\+u${anyCase(unit, 4)}`).join(''),
    percent,
    `&#0*${number};`,
    `&#[xX]0*${anyCase(number, 1)};`,
    // JSON, HCL and shells put backslashes before a sign, or double it; each further encoding doubles them.
    `\\\\{0,8}${literal(sign)}`,
  ]
  if (sign === '\t') ways.push('\\\\+t')
  if (sign === ' ') ways.push('\\+')
  if (sign === "'") ways.push("'(?:\\\\*'){1,3}")
  if (sign === '$' || sign === '%') ways.push(`${literal(sign)}{2}`)
  if (HTML_NAMES[sign] !== undefined) ways.push(`&(?:amp;)*${HTML_NAMES[sign]};`)
  return `(?:${ways.reverse().join('|')})`
}

function literal(sign: string): string {
  return sign.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}

/** Hexadecimal digits in either case. */
function anyCase(number: number, digits: number): string {
  const hex = number.toString(16).padStart(digits, '0')
  return hex.replaceAll(/[a-f]/g, letter => `[${letter}${letter.toUpperCase()}]`)
}

/** Patterns for Base64 of a text that holds the secret: it begins at the first, second or third byte of a group. */
function base64Of(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [0, 1, 2].map(before => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    // The first and last digits depend on the neighbours of the secret.
    const whole = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    const digits = whole.replaceAll('+', '(?:\\+|-|%2[bB])').replaceAll('/', '(?:\\/|_|%2[fF])')
    return `${digits}[A-Za-z0-9+\\/_-]?={0,2}`
  })
}
