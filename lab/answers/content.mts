/** Bodies of requests: forms, JSON and multipart, with the files that a sequence names. */

import type { Parameters, Part, Step } from './sequence.mts'

/** Bytes of an ISO 9660 image that is only just one: its first volume descriptor. */
function isoImage(): Buffer {
  return Buffer.concat([Buffer.alloc(32_768), Buffer.from('\x01CD001\x01\0', 'latin1'), Buffer.alloc(2_048)])
}

/** Clusters of header, table of counts and counts lie before the first table, which is as long as it must be. */
const CLUSTER = 65_536
/** What one entry of the first table covers. */
const PER_ENTRY = 512 * 1_048_576

/** Bytes of an empty qcow2 image of version 3, as `qemu-img create` lays it out. @param size bytes, less than 4 GiB. */
export function qcow2Image(size: number): Buffer {
  const entries = Math.ceil(size / PER_ENTRY)
  const image = Buffer.alloc(3 * CLUSTER + 8 * entries)
  const header = [0x514649fb, 3, 0, 0, 0, 16, 0, size, 0, entries, 0, 3 * CLUSTER, 0, CLUSTER, 1]
  for (const [index, word] of header.entries()) image.writeUInt32BE(word, index * 4)
  // Version 3: counts of 16 bits, a header of 104 bytes.
  image.writeUInt32BE(4, 96)
  image.writeUInt32BE(104, 100)
  image.writeUInt32BE(2 * CLUSTER, CLUSTER + 4)
  for (let index = 0; index < 4; index += 1) image.writeUInt16BE(1, 2 * CLUSTER + index * 2)
  return image
}

/** Returns a file's bytes: `iso`, `qcow2`, `zeros:N` or `text:...`. @throws {Error} for another kind. */
function contentOf(kind: string): Buffer {
  const [, word, rest = ''] = /^(\w+)(?::(.*))?$/s.exec(kind) ?? []
  if (word === 'iso') return isoImage()
  if (word === 'qcow2') return qcow2Image(1_073_741_824)
  if (word === 'zeros') return Buffer.alloc(Number(rest))
  if (word === 'text') return Buffer.from(rest)
  throw new Error(`content \`${kind}\` is not one of iso, qcow2, zeros:N, text:...`)
}

const BOUNDARY = 'pve-lab-answers-boundary'

function partHead({ field, filename }: Part): string {
  if (filename === undefined) return `form-data; name="${field}"\r\n\r\n`
  return `form-data; name="${field}"; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`
}

function multipart(parts: Part[]): Buffer {
  const bytes = parts.flatMap(part => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: ${partHead(part)}`),
    part.filename === undefined ? Buffer.from(part.value ?? '') : contentOf(part.content ?? 'text:'),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...bytes, Buffer.from(`--${BOUNDARY}--\r\n`)])
}

/** Encodes parameters for a query or a form. A list becomes one pair per element. */
export function encode(params: Parameters): string {
  const pairs = Object.entries(params).flatMap(([key, value]) =>
    [value].flat().map((each): [string, string] => [key, String(each)]),
  )
  return new URLSearchParams(pairs).toString()
}

interface Body {
  bytes: Buffer
  /** Content-Type; undefined for a request without a body. */
  type: string | undefined
}

const FORM = 'application/x-www-form-urlencoded'

/** Returns body and content type of a step's request. */
export function bodyOf({ method, params, encoding }: Pick<Step, 'method' | 'params' | 'encoding'>): Body {
  const isText = encoding === undefined && typeof params === 'string'
  if (encoding === 'raw' || isText) return { bytes: Buffer.from(String(params)), type: FORM }
  if (encoding === 'json') return { bytes: Buffer.from(JSON.stringify(params)), type: 'application/json' }
  if (encoding === 'multipart')
    return { bytes: multipart(params as Part[]), type: `multipart/form-data; boundary=${BOUNDARY}` }
  if (method !== 'POST' && method !== 'PUT') return { bytes: Buffer.alloc(0), type: undefined }
  return { bytes: Buffer.from(encode((params ?? {}) as Parameters)), type: FORM }
}

/** Returns the query of a step's request, with `?`; empty where the parameters are in the body. */
export function queryOf({ method, params, encoding }: Pick<Step, 'method' | 'params' | 'encoding'>): string {
  const isQuery = encoding === undefined && method !== 'POST' && method !== 'PUT'
  const query = isQuery && params ? encode(params as Parameters) : ''
  return query === '' ? '' : `?${query}`
}
