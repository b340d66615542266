import { readFileSync } from 'node:fs'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { registerSecret } from '../run/redact.mts'
import { apiError, connectionError, isGatewayStatus } from './errors.mts'
import { type FileForm, multipart } from './multipart.mts'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
export type Parameters = Record<string, string | number | boolean | undefined>

export interface Endpoint {
  /** `https://HOST:PORT/api2/json`. */
  url: string
  /** Where that is set, for a person. */
  urlFrom?: string | undefined
  caFile?: string | undefined
  skipTlsVerify?: boolean | undefined
  /** Milliseconds before each further try of a GET that Proxmox's proxy could not pass on. */
  retryDelays?: number[] | undefined
  /** For one answer. Default 60 s. */
  timeoutMs?: number | undefined
}

/** One identity's way to one Proxmox VE. Actions take it as their first parameter. */
export interface ProxmoxClient {
  /** Who asks: `user@realm!tokenid` or `user@realm`. */
  readonly identity: string
  readonly url: string
  /** `data` of the answer. @throws ProxmoxApiError, or ProxmintError where there was no answer. */
  request<T>(method: Method, path: string, parameters?: Parameters): Promise<T>
  /** A multipart POST, for files. */
  upload<T>(path: string, form: FileForm): Promise<T>
  /** Its clock, to the second, as the `Date` of an answer tells; undefined where something in between took it out. */
  time(): Promise<Date | undefined>
}

type Headers = Record<string, string>
type Body = { content: Buffer | Readable; length: number; type: string } | undefined

const defaultTimeoutMs = 60_000
const standardRetryDelays = [500, 2000]

/** Logs in with an API token: no round trip. */
export function tokenClient(
  endpoint: Endpoint,
  token: { user: string; tokenId: string; tokenSecret: string },
): ProxmoxClient {
  const identity = `${token.user}!${token.tokenId}`
  return client(endpoint, identity, async () => ({
    Authorization: `PVEAPIToken=${identity}=${token.tokenSecret}`,
  }))
}

/** Half the life of a ticket: one that is older is had anew. */
const renewAfterMs = 60 * 60 * 1000

/**
 * Logs in with a password at the first request, and again before the ticket is too old; a long build outlives it.
 * With the password and not with the ticket, which is worth nothing when this machine slept for two hours.
 */
export function passwordClient(endpoint: Endpoint, login: { user: string; password: string }): ProxmoxClient {
  const logIn = () => ({ headers: ticketHeaders(endpoint, login), at: Date.now() })
  let held: ReturnType<typeof logIn> | undefined
  return client(endpoint, login.user, () => {
    const before = held
    if (before !== undefined && Date.now() - before.at < renewAfterMs) return before.headers
    held = logIn()
    // A node that restarts just then: the next request tries again. A first login that is refused stays so.
    if (before !== undefined)
      held.headers.catch(() => {
        held = before
      })
    return held.headers
  })
}

async function ticketHeaders(
  endpoint: Endpoint,
  login: { user: string; password: string },
): Promise<Headers> {
  const anonymous = client(endpoint, login.user, async () => ({}))
  const answer = await anonymous.request<{ ticket: string; CSRFPreventionToken: string }>(
    'POST',
    '/access/ticket',
    { username: login.user, password: login.password },
  )
  registerSecret(answer.ticket)
  return { Cookie: `PVEAuthCookie=${answer.ticket}`, CSRFPreventionToken: answer.CSRFPreventionToken }
}

function client(endpoint: Endpoint, identity: string, authenticate: () => Promise<Headers>): ProxmoxClient {
  const socket: Socket = {
    ca: certificateAuthority(endpoint),
    rejectUnauthorized: endpoint.skipTlsVerify !== true,
    timeout: endpoint.timeoutMs ?? defaultTimeoutMs,
  }
  const answerTo = async (method: Method, path: string, body: Body): Promise<Answer> => {
    const headers = await authenticate()
    const ask = () => exchange(endpoint, socket, method, path, headers, body)
    // Anything but a GET may have been done, although its answer was lost.
    const response = method === 'GET' ? await persistently(ask, endpoint.retryDelays) : await ask()
    const succeeded = response.status >= 200 && response.status < 300
    // Proxmox refuses some requests without a body, but never with one that is no such document; a proxy before it may.
    const ofProxy = isGatewayStatus(response.status)
    if (succeeded || (response.body !== '' && !ofProxy)) requireDocument(endpoint, response)
    if (!succeeded) throw apiError({ method, path, identity, ...response })
    return response
  }
  const call = async <T,>(method: Method, path: string, body: Body): Promise<T> =>
    (JSON.parse((await answerTo(method, path, body)).body) as { data: T }).data
  return {
    identity,
    url: endpoint.url,
    request(method, path, parameters = {}) {
      const encoded = encode(parameters)
      if (method === 'POST' || method === 'PUT') return call(method, path, formBody(encoded))
      return call(method, encoded === '' ? path : `${path}?${encoded}`, undefined)
    },
    upload: (path, form) => call('POST', path, multipart(form)),
    async time() {
      const time = new Date((await answerTo('GET', '/version', undefined)).date ?? '')
      return Number.isNaN(time.getTime()) ? undefined : time
    },
  }
}

/** Asks again where a proxy had no answer of the API: a node that is busy or restarting. */
async function persistently(ask: () => Promise<Answer>, delays = standardRetryDelays): Promise<Answer> {
  let answer = await ask()
  for (const delay of delays) {
    if (!isGatewayStatus(answer.status)) break
    await sleep(delay)
    answer = await ask()
  }
  return answer
}

function certificateAuthority({ caFile }: Endpoint): string | undefined {
  if (caFile === undefined) return undefined
  try {
    return readFileSync(caFile, 'utf8')
  } catch (cause) {
    throw new ProxmintError(`cannot read the CA file ${caFile}`, {
      hint: 'correct proxmox_ca_file; on a node the CA is /etc/pve/pve-root-ca.pem',
      cause,
      exitCode: exitCodes.invalid,
    })
  }
}

function encode(parameters: Parameters): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined)
      query.set(name, typeof value === 'boolean' ? String(Number(value)) : String(value))
  }
  return query.toString()
}

function formBody(encoded: string): Body {
  const content = Buffer.from(encoded)
  return { content, length: content.length, type: 'application/x-www-form-urlencoded' }
}

interface Answer {
  status: number
  reason: string
  body: string
  /** The header `Date`. */
  date: string | undefined
}

interface Socket {
  ca: string | undefined
  rejectUnauthorized: boolean
  /** In milliseconds. */
  timeout: number
}

function exchange(
  endpoint: Endpoint,
  socket: Socket,
  method: Method,
  path: string,
  headers: Headers,
  body: Body,
): Promise<Answer> {
  const bodyHeaders: Headers =
    body === undefined ? {} : { 'Content-Type': body.type, 'Content-Length': String(body.length) }
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(connectionError(endpoint, cause))
    const options = {
      method,
      ...socket,
      headers: { ...headers, ...bodyHeaders },
      // A kept connection may be closed just then, and nobody could tell whether the request was done.
      ...(method !== 'GET' && { agent: false }),
    }
    const request = httpsRequest(`${endpoint.url}${path}`, options, response => {
      read(response).then(resolve, fail)
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (!request.reusedSocket || error.code !== 'ECONNRESET') return fail(error)
      exchange(endpoint, socket, method, path, headers, body).then(resolve, reject)
    })
    send(body?.content, request)
  })
}

function send(content: Buffer | Readable | undefined, request: ClientRequest): void {
  if (!(content instanceof Readable)) request.end(content)
  else content.on('error', error => request.destroy(error)).pipe(request)
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    body: Buffer.concat(chunks).toString('utf8'),
    date: response.headers.date,
  }
}

/** Every document of Proxmox's API holds `data`, also where it is an error. @throws ProxmintError (invalid). */
function requireDocument({ url, urlFrom }: Endpoint, { status, reason, body }: Answer): void {
  let cause: unknown
  try {
    const document: unknown = JSON.parse(body)
    if (typeof document === 'object' && document !== null && 'data' in document) return
  } catch (error) {
    cause = error
  }
  throw new ProxmintError(`${url} did not answer as a Proxmox VE API does`, {
    facts: { 'set by': urlFrom, answer: `${status} ${reason}: ${body.slice(0, 80).replaceAll(/\s+/g, ' ')}` },
    hint: 'check proxmox_url: it is the API of a node, https://HOST:8006/api2/json',
    cause,
    exitCode: exitCodes.invalid,
  })
}
