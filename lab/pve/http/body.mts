/** Reads request bodies: forms, JSON and uploads. */

import type { IncomingMessage } from 'node:http'
import type { Upload } from '../core/route.mts'
import { contentType } from './admission.mts'
import { parseJson } from './json.mts'
import { readMultipart } from './multipart.mts'
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

/** Reads a request's body to its end. Writes uploads to `uploadDir`. */
export async function readBody(request: IncomingMessage, uploadDir: string): Promise<Body> {
  const type = contentType(request)
  if (type === 'multipart/form-data') return readMultipart(request, uploadDir)
  const body = await readBytes(request)
  if (request.method !== 'POST' && request.method !== 'PUT') return { parameters: {}, upload: undefined }
  const parameters = type === 'application/json' ? parseJson(body) : parseForm(body.toString('latin1'))
  return { parameters, upload: undefined }
}
