/**
 * Reads uploads as Proxmox's web server does (`file_upload_multipart` in PVE/APIServer/AnyEvent.pm): the fields
 * `content`, `checksum-algorithm` and `checksum` in this order, then one file with the name `filename`. The file goes
 * to disk directly.
 */

import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Upload } from '../core/route.mts'
import { ConnectionReset } from '../faults/request-faults.mts'
import { Refused } from './admission.mts'

interface Multipart {
  parameters: Record<string, string>
  upload: Upload
}

/** Buffer of Proxmox's web server for what it has not used yet. It hangs up on a client that fills it. */
const MAX_HEAD_BYTES = 520 * 1024

const SERVER = 'at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line'

function uploadFailed(): Refused {
  return new Refused(500, `upload failed ${SERVER} 1370.`, `upload failed ${SERVER} 1370.\n`)
}

/** Proxmox finds the field behind others, and its error has several lines. An answer cannot have those. */
function wrongOrder(): Refused {
  return new Refused(400, 'Bad Request', '')
}

/** Bytes of a request that are not used yet. */
interface Source {
  rest: Buffer
  /** Waits for more bytes. @returns false at the end. */
  more(): Promise<boolean>
}

function sourceOf(request: IncomingMessage): Source {
  const chunks = request[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const source: Source = {
    rest: Buffer.alloc(0),
    async more() {
      const { done, value } = await chunks.next()
      if (done) return false
      source.rest = Buffer.concat([source.rest, value])
      return true
    },
  }
  return source
}

/** Takes the bytes before a pattern, and drops what the pattern matches. @throws {Refused} if it never comes. */
async function takeUntil(source: Source, pattern: RegExp): Promise<string> {
  for (;;) {
    // latin1: a character is a byte, so that positions are those of the bytes.
    const found = pattern.exec(source.rest.toString('latin1'))
    if (found) {
      const before = source.rest.subarray(0, found.index)
      source.rest = source.rest.subarray(found.index + found[0].length)
      return before.toString('utf8')
    }
    if (source.rest.length > MAX_HEAD_BYTES) throw new ConnectionReset()
    if (!(await source.more())) throw uploadFailed()
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

interface Field {
  name: string
  value: string
}

const FILE = /^Content-Disposition: (.*?); name="(.*?)"; filename="([^"]+)"/
const FIELD = /Content-Disposition: .*?; name="(.*?)"/

/** Reads the fields in front of the file. @returns them, and the name of the file, whose bytes come next. */
async function readHead(source: Source, boundary: string): Promise<{ fields: Field[]; filename: string }> {
  const delimiter = new RegExp(`--${escaped(boundary)}\r?\n`)
  const fields: Field[] = []
  await takeUntil(source, delimiter)
  for (;;) {
    const header = await takeUntil(source, /\r?\n\r?\n/)
    const [, disposition, name, filename] = FILE.exec(header) ?? []
    if (filename !== undefined) return { fields, filename: requireFile(disposition!, name!, filename) }
    const value = (await takeUntil(source, delimiter)).trim()
    fields.push({ name: FIELD.exec(header)?.[1] ?? '', value })
  }
}

function requireFile(disposition: string, name: string, filename: string): string {
  if (disposition !== 'form-data')
    throw new Refused(500, `wrong Content-Disposition '${disposition}' in multipart, expected 'form-data'`)
  const fault = `wrong field name '${name}' for file upload, expected 'filename' ${SERVER} 1325.`
  if (name !== 'filename') throw new Refused(500, fault, `${fault}\n`)
  return filename.trim()
}

/** Returns the fields as parameters. @throws {Refused} for another order, an unknown field and one that is twice. */
function parametersOf(fields: Field[]): Record<string, string> {
  const left = [...fields]
  const parameters: Record<string, string> = Object.create(null)
  for (const name of ['content', 'checksum-algorithm', 'checksum']) {
    const at = left.findIndex(field => field.name === name)
    if (at > 0) throw wrongOrder()
    if (at === 0) parameters[name] = left.shift()!.value
  }
  if (left.length > 0) throw wrongOrder()
  return parameters
}

/** Writes the rest up to the last boundary. A part behind the file belongs to the file, as on Proxmox. */
async function writeFile(source: Source, boundary: string, file: FileHandle): Promise<void> {
  const close = Buffer.from(`--${boundary}--`)
  for (;;) {
    const end = source.rest.indexOf(close)
    if (end >= 0) return void (await file.write(withoutLineEnd(source.rest.subarray(0, end))))
    // The boundary and the line end before it may have come in part.
    const safe = Math.max(0, source.rest.length - close.length - 2)
    await file.write(source.rest.subarray(0, safe))
    source.rest = source.rest.subarray(safe)
    if (!(await source.more())) throw uploadFailed()
  }
}

function withoutLineEnd(bytes: Buffer): Buffer {
  const text = bytes.subarray(-2).toString('latin1')
  return bytes.subarray(0, bytes.length - (/\r?\n$/.exec(text)?.[0].length ?? 0))
}

async function receive(source: Source, boundary: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `pveupload-${randomBytes(16).toString('hex')}`)
  const file = await open(path, 'wx', 0o600)
  try {
    await writeFile(source, boundary, file)
    return path
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

/** Reads an upload to its end, and its file to `folder`. @throws {Refused} */
export async function readMultipart(request: IncomingMessage, folder: string): Promise<Multipart> {
  const boundary = /[;,]\s*boundary\s*=\s*([^\s;,]+)/.exec(request.headers['content-type'] ?? '')?.[1] ?? ''
  const source = sourceOf(request)
  const { fields, filename } = await readHead(source, boundary)
  const parameters = { ...parametersOf(fields), filename }
  const path = await receive(source, boundary, folder)
  return { parameters, upload: { path, filename } }
}
