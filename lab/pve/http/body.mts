/** Request bodies: form, JSON, and multipart uploads that go to disk as they arrive. */

import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import { ApiError } from '../errors.mts'
import type { RawParameters } from '../parameters.mts'

/** Larger bodies than this are uploads and belong in multipart. */
const MAX_BODY_BYTES = 4 * 1024 * 1024

export interface Upload {
  /** Temporary; whoever keeps the file moves it away. */
  path: string
  /** As the client named it. */
  filename: string
}

export interface Body {
  parameters: RawParameters
  upload: Upload | undefined
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new ApiError(413, 'request body too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Query strings and form bodies. A key that comes twice is a list; `key[]` is how some clients write one. */
export function parseForm(form: string): RawParameters {
  const parameters: RawParameters = {}
  for (const [key, value] of new URLSearchParams(form)) {
    const before = parameters[key]
    parameters[key] = before === undefined ? value : [before, value].flat()
  }
  return parameters
}

/** JSON's true and false are the 1 and 0 of a form. */
function scalarText(key: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'number' || typeof value === 'string') return String(value)
  throw new ApiError(400, `unexpected type of '${key}' in JSON body`)
}

function parseJson(body: string): RawParameters {
  let parsed: unknown
  try {
    parsed = JSON.parse(body === '' ? '{}' : body)
  } catch (error) {
    throw new ApiError(400, `unable to parse JSON body: ${(error as Error).message}`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new ApiError(400, 'JSON body must be an object')
  const entries = Object.entries(parsed).filter(([, value]) => value !== null)
  const toRaw = (key: string, value: unknown) =>
    Array.isArray(value) ? value.map(item => scalarText(key, item)) : scalarText(key, value)
  return Object.fromEntries(entries.map(([key, value]) => [key, toRaw(key, value)]))
}

async function receive(stream: Readable, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `pveupload-${randomBytes(16).toString('hex')}`)
  await pipeline(stream, createWriteStream(path, { flags: 'wx' }))
  return path
}

async function readMultipart(request: IncomingMessage, uploadDir: string): Promise<Body> {
  const body: Body = { parameters: {}, upload: undefined }
  const files: Promise<void>[] = []
  const headers = { ...request.headers, 'content-type': request.headers['content-type']! }
  const parser = new Busboy({ headers })
  parser.on('field', (key, value) => {
    body.parameters[key] = value
  })
  parser.on('file', (_field, stream, filename) => {
    const received = receive(stream, uploadDir).then(path => {
      body.upload = { path, filename }
    })
    files.push(received)
  })
  await pipeline(request, parser)
  await Promise.all(files)
  return body
}

/** Reads a request's body to its end. Uploads land in `uploadDir`. */
export async function readBody(request: IncomingMessage, uploadDir: string): Promise<Body> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  if (type === 'multipart/form-data') return readMultipart(request, uploadDir)
  const body = await readText(request)
  return { parameters: type === 'application/json' ? parseJson(body) : parseForm(body), upload: undefined }
}
