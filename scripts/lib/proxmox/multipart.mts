import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

/** Form with one file. Proxmox's server takes the file as the last part, in the field `filename`. */
export interface FileForm {
  fields: Record<string, string>
  file: Blob
  filename: string
}

/** Request body with a length, which Proxmox requires. The file is read while it is sent. */
interface Multipart {
  type: string
  /** Bytes. */
  length: number
  content: Readable
}

/** Encodes a form as `multipart/form-data`. */
export function multipart({ fields, file, filename }: FileForm): Multipart {
  const boundary = `proxmint-${randomUUID()}`
  const part = (disposition: string): string =>
    `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`
  const named = Object.entries(fields).map(([name, value]) => `${part(`name="${name}"`)}\r\n${value}\r\n`)
  const head = Buffer.from(
    `${named.join('')}${part(`name="filename"; filename="${filename}"`)}Content-Type: application/octet-stream\r\n\r\n`,
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    length: head.length + file.size + tail.length,
    content: Readable.from(joined(head, file, tail)),
  }
}

async function* joined(head: Buffer, file: Blob, tail: Buffer): AsyncGenerator<Uint8Array> {
  yield head
  yield* file.stream() as ReadableStream<Uint8Array>
  yield tail
}
