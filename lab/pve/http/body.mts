/** Reads request bodies: forms, JSON, and multipart uploads, which go to disk directly. */

import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import { failure, parameterError } from '../core/errors.mts'
import type { RawParameters } from '../core/parameters.mts'
import type { Upload } from '../core/route.mts'
import { contentType } from './admission.mts'

export interface Body {
  parameters: RawParameters
  upload: Upload | undefined
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Parses a query string or a form. A key that occurs twice becomes a list. */
export function parseForm(form: string): RawParameters {
  const parameters: RawParameters = Object.create(null)
  for (const [key, value] of new URLSearchParams(form)) {
    const before = parameters[key]
    parameters[key] = before === undefined ? value : [before, value].flat()
  }
  return parameters
}

/** Converts a value of JSON to that of a form: true and false become 1 and 0. */
function scalarText(key: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'number' || typeof value === 'string') return String(value)
  const kind = Array.isArray(value) ? 'ARRAY' : 'HASH'
  throw parameterError({ [key]: `type check ('string') failed - got ${kind}` })
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws {ApiError} 500 for invalid JSON, because Proxmox does not catch the error of its parser. */
function parseJsonText(body: Buffer): unknown {
  let text: string
  try {
    text = utf8.decode(body)
  } catch {
    throw failure('malformed UTF-8 character in JSON string')
  }
  try {
    return JSON.parse(text === '' ? '{}' : text)
  } catch (error) {
    throw failure(`malformed JSON string: ${(error as Error).message}`)
  }
}

function parseJson(body: Buffer): RawParameters {
  const parsed = parseJsonText(body)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw failure('Not a HASH reference')
  const entries = Object.entries(parsed).filter(([, value]) => value !== null)
  const toRaw = (key: string, value: unknown): string | string[] =>
    Array.isArray(value) ? value.map(item => scalarText(key, item)) : scalarText(key, value)
  return Object.fromEntries(entries.map(([key, value]) => [key, toRaw(key, value)]))
}

async function receive(stream: Readable, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `pveupload-${randomBytes(16).toString('hex')}`)
  try {
    await pipeline(stream, createWriteStream(path, { flags: 'wx' }))
    return path
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

interface Receiving {
  body: Body
  streams: Readable[]
  /** One promise per file. It rejects if its stream fails. */
  files: Promise<void>[]
}

function receiveParts(parser: InstanceType<typeof Busboy>, uploadDir: string): Receiving {
  const receiving: Receiving = {
    body: { parameters: Object.create(null), upload: undefined },
    streams: [],
    files: [],
  }
  parser.on('field', (key, value) => {
    receiving.body.parameters[key] = value
  })
  parser.on('file', (_field, stream, filename) => {
    receiving.streams.push(stream)
    const received = receive(stream, uploadDir).then(path => {
      receiving.body.upload = { path, filename }
    })
    receiving.files.push(received)
  })
  return receiving
}

async function readMultipart(request: IncomingMessage, uploadDir: string): Promise<Body> {
  const headers = { ...request.headers, 'content-type': request.headers['content-type']! }
  const parser = new Busboy({ headers })
  const { body, streams, files } = receiveParts(parser, uploadDir)
  try {
    await pipeline(request, parser)
    await Promise.all(files)
    return body
  } catch (error) {
    for (const stream of streams) stream.destroy()
    await Promise.allSettled(files)
    if (body.upload) await rm(body.upload.path, { force: true })
    throw error
  }
}

/** Reads a request's body to its end. Writes uploads to `uploadDir`. */
export async function readBody(request: IncomingMessage, uploadDir: string): Promise<Body> {
  const type = contentType(request)
  if (type === 'multipart/form-data') return readMultipart(request, uploadDir)
  const body = await readBytes(request)
  const parameters = type === 'application/json' ? parseJson(body) : parseForm(body.toString('utf8'))
  return { parameters, upload: undefined }
}
