/** Reads request bodies: forms, JSON, and multipart uploads, which go to disk directly. */

import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import type { Upload } from '../core/route.mts'
import { contentType } from './admission.mts'
import { parseJson } from './json.mts'
import { parseForm, type Sent } from './uri.mts'

export interface Body {
  parameters: Sent
  upload: Upload | undefined
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
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
  if (request.method !== 'POST' && request.method !== 'PUT') return { parameters: {}, upload: undefined }
  const parameters = type === 'application/json' ? parseJson(body) : parseForm(body.toString('latin1'))
  return { parameters, upload: undefined }
}
