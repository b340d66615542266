/** Sends one request and returns what came back, whatever it was. */

import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'

export interface Target {
  /** `https://HOST:PORT/api2/json` */
  url: string
  /** PEM of the authority to trust; undefined: those of the system. */
  ca: string | undefined
}

interface WireRequest {
  method: string
  /** Path below the URL, with its query. */
  path: string
  headers: Record<string, string>
  bytes: Buffer
}

export interface WireAnswer {
  status: number
  reason: string
  text: string
}

/** The connection ended before an answer. */
const NO_ANSWER: WireAnswer = { status: 0, reason: '', text: '' }

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function endedEarly(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNRESET' || error.code === 'EPIPE'
}

/** @throws {Error} for a server that cannot be reached; status 0 if it closed the connection without an answer. */
export function sendOnce(target: Target, { method, path, headers, bytes }: WireRequest): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    // DELETE must not announce a body: Proxmox refuses one.
    const length = bytes.length > 0 || method === 'POST' || method === 'PUT'
    const all = { ...headers, ...(length && { 'Content-Length': String(bytes.length) }) }
    const options = {
      method,
      headers: all,
      ...(target.ca !== undefined && { ca: target.ca }),
      agent: false as const,
    }
    const sent = request(`${target.url}${path}`, options, response => {
      const { statusCode: status = 0, statusMessage: reason = '' } = response
      textOf(response).then(text => resolve({ status, reason, text }), reject)
    })
    sent.on('error', error => (endedEarly(error) ? resolve(NO_ANSWER) : reject(error)))
    sent.end(bytes)
  })
}
