import { crc32 } from 'node:zlib'

/** Formats a line of a registry file: CRC-32 of the JSON in eight hexadecimal digits, a space, the JSON. */
export function encodeLine(value: unknown): string {
  const json = JSON.stringify(value)
  return `${checksum(json)} ${json}\n`
}

/** Parses a line; undefined if its checksum is wrong: it was cut short or changed. */
export function decodeLine(line: string): unknown {
  const json = line.slice(9)
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(json)) return undefined
  return JSON.parse(json)
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
