/** Sends answers. Clients read errors in the status line, so Proxmox puts the first line of an error there. */

import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { ApiError } from '../core/errors.mts'

const JSON_TYPE = 'application/json;charset=UTF-8'

interface Response {
  status: number
  /** Its first line is the reason phrase. */
  message: string
  body: string
  /** Undefined: the answer has none. */
  contentType?: string
}

function firstLine(message: string): string {
  return message.split('\n')[0] ?? ''
}

/** Replaces characters outside of Latin-1, which a status line cannot hold. */
function reasonPhrase(line: string): string {
  return line.replace(/[^\t\x20-\x7e\xa0-\xff]/g, '?')
}

/** Refuses a carriage return in the status line: Proxmox takes it for an attack. */
function withoutReturn(response: Response): Response {
  return firstLine(response.message).includes('\r')
    ? { ...response, status: 400, message: STATUS_CODES[400]!, body: '' }
    : response
}

function send(to: ServerResponse, response: Response): void {
  const { status, message, body, contentType } = withoutReturn(response)
  // Proxmox ends a connection after each error.
  if (status >= 400) to.shouldKeepAlive = false
  to.writeHead(status, reasonPhrase(firstLine(message)), {
    ...(contentType !== undefined && { 'Content-Type': contentType }),
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'max-age=0',
    Pragma: 'no-cache',
    Server: 'pve-api-daemon/3.0',
  })
  to.end(body)
}

/** @param extra keys beside `data`. */
export function sendData(to: ServerResponse, data: unknown, extra: Record<string, unknown> = {}): void {
  // A total of nothing is left out.
  const counts = Object.fromEntries(Object.entries(extra).filter(([, value]) => value !== 0))
  const body = JSON.stringify({ ...counts, data: data ?? null })
  send(to, { status: 200, message: 'OK', body, contentType: JSON_TYPE })
}

/** Sends an error of the API. Its message ends with a line break, except for an unknown operation. */
export function sendError(to: ServerResponse, { status, message, errors }: ApiError): void {
  const text = status === 501 ? message : `${message.replace(/\n$/, '')}\n`
  const body = JSON.stringify({ data: null, ...(errors && { errors }), message: text })
  send(to, { status, message, body, contentType: JSON_TYPE })
}

/** Sends a reason phrase and a plain text, as Proxmox does for errors outside of the API. */
export function sendPlain(to: ServerResponse, status: number, message: string, body = ''): void {
  send(to, { status, message, body })
}
