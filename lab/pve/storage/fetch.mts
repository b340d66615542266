/** Requests to a URL from the node, with the texts of wget and of Perl's LWP for what goes wrong. */

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { failure } from '../core/errors.mts'

const MAX_REDIRECTS = 20
const REDIRECTS = new Set([301, 302, 303, 307, 308])

interface Asking {
  method: 'GET' | 'HEAD'
  /** False: takes any certificate. */
  verify: boolean
  signal?: AbortSignal
}

/** Sends a request and follows redirects. The caller reads the body, or ends it. */
async function ask(url: string, asking: Asking, redirects = 0): Promise<IncomingMessage> {
  const response = await once(new URL(url), asking)
  const { location } = response.headers
  if (!REDIRECTS.has(response.statusCode!) || location === undefined || redirects >= MAX_REDIRECTS)
    return response
  response.resume()
  return ask(new URL(location, url).href, asking, redirects + 1)
}

function once(url: URL, { method, verify, signal }: Asking): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, signal, rejectUnauthorized: verify, agent: false }, resolve)
    sent.on('error', reject)
    sent.end()
  })
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  ENOTFOUND: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  ENETUNREACH: 'Network is unreachable',
  EHOSTUNREACH: 'No route to host',
  ETIMEDOUT: 'Connection timed out',
}

const NO_NAME = new Set(['ENOTFOUND', 'EAI_AGAIN'])

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return REASONS[code ?? ''] ?? message
}

function isCertificate({ code }: NodeJS.ErrnoException): boolean {
  return /CERT|SIGNATURE|ERR_TLS/.test(code ?? '')
}

function hostOf(url: string): { name: string; port: string } {
  const { hostname, port, protocol } = new URL(url)
  return { name: hostname, port: port || (protocol === 'https:' ? '443' : '80') }
}

/** The last line that wget writes. */
function lineOfWget(url: string, error: NodeJS.ErrnoException): string {
  const { name, port } = hostOf(url)
  if (NO_NAME.has(error.code ?? '')) return `wget: unable to resolve host address ‘${name}’`
  if (isCertificate(error)) return `To connect to ${name} insecurely, use \`--no-check-certificate'.`
  const { address } = error as { address?: string }
  const place = address === undefined || address === name ? `${name}:` : `${name} (${name})|${address}|:`
  return `Connecting to ${place}${port}... failed: ${reasonOf(error)}.`
}

/** Requests a file as `wget` does. @throws {ApiError} with the last line of its output, or its exit code. */
export async function wget(url: string, verify: boolean, signal: AbortSignal): Promise<IncomingMessage> {
  const response = await ask(url, { method: 'GET', verify, signal }).catch(error => {
    throw failure(`download failed: ${lineOfWget(url, error)}`)
  })
  if (response.statusCode === 200) return response
  response.resume()
  throw failure('download failed: exit code 8')
}

/** Requests the headers of a file. @throws {ApiError} with the status line, as Perl's LWP makes it. */
export async function head(url: string, verify: boolean): Promise<IncomingMessage['headers']> {
  const response = await ask(url, { method: 'HEAD', verify }).catch(error => {
    const { name, port } = hostOf(url)
    const reason = isCertificate(error) ? 'certificate verify failed' : reasonOf(error)
    throw failure(`invalid server response: '500 Can't connect to ${name}:${port} (${reason})'`)
  })
  response.resume()
  if (response.statusCode === 200) return response.headers
  throw failure(`invalid server response: '${response.statusCode} ${response.statusMessage}'`)
}
