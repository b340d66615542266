/** Requests that Proxmox's web server refuses before the API sees them (PVE/APIServer/AnyEvent.pm). */

import type { IncomingMessage } from 'node:http'
import { ConnectionReset } from '../faults/request-faults.mts'

/** Refusal by the web server itself. The answer has a reason phrase, a plain text as body, and no content type. */
export class Refused extends Error {
  readonly status: number
  readonly body: string

  /** @param body default: the message. */
  constructor(status: number, message: string, body: string = message) {
    super(message)
    this.status = status
    this.body = body
  }
}

const METHODS = new Set(['GET', 'POST', 'PUT', 'DELETE'])
const MAX_HEADERS = 64
/** Limit for all lines together. */
const MAX_HEADER_BYTES = 8 * 1024
/** Limit for bodies that are not uploads. */
const MAX_BODY_BYTES = 512 * 1024

function isTooLarge({ rawHeaders }: IncomingMessage): boolean {
  const bytes = rawHeaders.reduce((sum, text) => sum + text.length + 2, 0)
  return rawHeaders.length / 2 >= MAX_HEADERS || bytes >= MAX_HEADER_BYTES
}

/** Checks a request before the login. @throws {ConnectionReset} for too large headers. @throws {Refused} */
export function requireAdmissible(request: IncomingMessage): void {
  if (isTooLarge(request)) throw new ConnectionReset()
  const { method = '', headers } = request
  if (!METHODS.has(method)) throw new Refused(501, `method '${method}' not available`, '')
  const coding = headers['transfer-encoding']?.toLowerCase()
  if (coding === 'chunked') throw new Refused(501, 'chunked transfer encoding not supported')
  if (coding !== undefined) throw new Refused(501, `Unknown transfer encoding '${coding}'`)
}

/** Returns the content type without parameters such as a charset. */
export function contentType({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
}

const FORMS = ['', 'application/x-www-form-urlencoded', 'application/json']

/** Checks the body of a request after the login. @throws {Refused} */
export function requireAdmissibleBody(request: IncomingMessage, isUpload: boolean): void {
  const { method = '', headers } = request
  const length = Number(headers['content-length'] ?? 0)
  if (length === 0) return
  if (method !== 'PUT' && method !== 'POST')
    throw new Refused(501, `Unexpected content for method '${method}'`)
  const type = contentType(request)
  if (isUpload && type === 'multipart/form-data') return
  if (isUpload) throw new ConnectionReset()
  if (length > MAX_BODY_BYTES) throw new Refused(501, 'for data too large')
  if (!FORMS.includes(type))
    throw new Refused(506, `upload 'Content-Type '${headers['content-type']}' not implemented`)
}
