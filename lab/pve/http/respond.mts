/** Sends answers. Clients read errors in the status line, so Proxmox puts the first line of an error there. */

import type { ServerResponse } from 'node:http'
import type { ApiError } from '../core/errors.mts'

/** Returns the first line of a message, with `?` for characters outside of Latin-1. */
function reasonPhrase(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/[^\t\x20-\x7e\xa0-\xff]/g, '?')
}

function send(response: ServerResponse, status: number, reason: string, body: string): void {
  response.writeHead(status, reason, {
    'Content-Type': 'application/json;charset=UTF-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'max-age=0',
    Server: 'pve-api-daemon/3.0',
  })
  response.end(body)
}

/** @param extra keys beside `data`. */
export function sendData(response: ServerResponse, data: unknown, extra: Record<string, unknown> = {}): void {
  send(response, 200, 'OK', JSON.stringify({ ...extra, data: data ?? null }))
}

export function sendError(response: ServerResponse, error: ApiError): void {
  const errors = error.errors && { errors: error.errors }
  send(
    response,
    error.status,
    reasonPhrase(error.message),
    JSON.stringify({ data: null, ...errors, message: `${error.message.trimEnd()}\n` }),
  )
}

/** Sends 595, Proxmox's answer for a node that it cannot reach: a reason phrase and nothing else. */
export function sendUnreachable(response: ServerResponse, reason: string): void {
  send(response, 595, reasonPhrase(reason), '')
}

/** Sends a refusal of the web server: the reason phrase is also the body. Then the connection closes. */
export function sendRefusal(response: ServerResponse, status: number, reason: string): void {
  response.shouldKeepAlive = false
  response.writeHead(status, reasonPhrase(reason), { 'Content-Length': Buffer.byteLength(reason) })
  response.end(reason)
}

/** Sends 401 with its reason phrase and nothing else. */
export function sendUnauthorized(response: ServerResponse, reason: string): void {
  send(response, 401, reasonPhrase(reason), '')
}
