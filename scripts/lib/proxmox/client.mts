import { readFileSync } from 'node:fs'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
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
  /** Name of the setting that has the URL, for error messages. */
  urlFrom?: string | undefined
  caFile?: string | undefined
  skipTlsVerify?: boolean | undefined
  /** Milliseconds before each further attempt of a GET that ended with a gateway error (`isGatewayStatus`). */
  retryDelays?: number[] | undefined
  /** Time limit of one request without any sign of the server. Default 60 s. */
  timeoutMs?: number | undefined
  /** Time limit of one answer as a whole. Default 5 min. */
  answerMs?: number | undefined
}

/** Connection of one identity to one Proxmox VE. Each operation takes it as its first parameter. */
export interface ProxmoxClient {
  /** `user@realm!tokenid` or `user@realm`. */
  readonly identity: string
  readonly url: string
  /** @returns `data` of the answer. @throws ProxmoxApiError; ProxmintError if there was no answer. */
  request<T>(method: Method, path: string, parameters?: Parameters): Promise<T>
  /** Sends a file with a multipart POST. */
  upload<T>(path: string, form: FileForm): Promise<T>
  /**
   * Clock of the server, from the header `Date` of an answer that is at most a minute old; it has whole seconds.
   * @returns undefined if a proxy removed the header.
   */
  time(): Promise<Date | undefined>
}

type Headers = Record<string, string>
type Body = { content: Buffer | Readable; length: number; type: string } | undefined

const DEFAULT_TIMEOUT_MS = 60_000
/** An idle connection is closed after that, as by the global agent of Node.js. */
const IDLE_MS = 5000
/** For this long the clock of the server is known from an answer, and it is not asked again. */
const FRESH_MS = 60_000
const DEFAULT_ANSWER_MS = 5 * 60_000
/** Bytes of an answer. A cluster of 10,000 VMs answers with 5 MB. */
const LONGEST_ANSWER = 32 * 1024 * 1024
const RETRY_DELAYS_MS = [500, 2000]

/** Creates a client that sends an API token with each request. */
export function tokenClient(
  endpoint: Endpoint,
  token: { user: string; tokenId: string; tokenSecret: string },
): ProxmoxClient {
  const identity = `${token.user}!${token.tokenId}`
  return client(endpoint, identity, async () => ({
    Authorization: `PVEAPIToken=${identity}=${token.tokenSecret}`,
  }))
}

/** Half the life of a ticket (Proxmox VE: 2 hours). An older ticket is replaced. */
const RENEW_AFTER_MS = 60 * 60 * 1000

/**
 * Creates a client that logs in with a password at the first request, and again before the ticket expires. It never
 * renews a ticket with the ticket itself, which is invalid if this machine slept for two hours.
 */
export function passwordClient(endpoint: Endpoint, login: { user: string; password: string }): ProxmoxClient {
  const logIn = () => ({ headers: ticketHeaders(endpoint, login), at: Date.now() })
  let held: ReturnType<typeof logIn> | undefined
  return client(endpoint, login.user, () => {
    const before = held
    if (before !== undefined && Date.now() - before.at < RENEW_AFTER_MS) return before.headers
    held = logIn()
    // If a renewal fails (the node may restart), the next request tries again. A refused first login is final.
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
    timeout: endpoint.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    // Not the global one, which goes through the proxy of the environment: Packer's plugin asks Proxmox directly too.
    agent: new Agent({ keepAlive: true, timeout: IDLE_MS }),
  }
  /** Header `Date` of the newest answer, in ms since 1970, and the time of its arrival by a clock that nobody sets. */
  let newest: { date: number; at: number } | undefined
  const answerTo = async (method: Method, path: string, body: Body): Promise<Answer> => {
    const headers = await authenticate()
    const ask = () => exchange(endpoint, socket, method, path, headers, body)
    // Only a GET is repeated: any other request may have taken effect although its answer was lost.
    const response = method === 'GET' ? await persistently(ask, endpoint.retryDelays) : await ask()
    const succeeded = response.status >= 200 && response.status < 300
    // Proxmox may answer an error with an empty body, but a non-empty body is always `{"data": ...}`. Anything else
    // came from a proxy.
    const ofProxy = isGatewayStatus(response.status)
    if (succeeded || (response.body !== '' && !ofProxy)) requireDocument(endpoint, response)
    if (!succeeded) throw apiError({ method, path, identity, ...response })
    const date = Date.parse(response.date ?? '')
    newest = Number.isNaN(date) ? undefined : { date, at: performance.now() }
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
      const isFresh = newest !== undefined && performance.now() - newest.at < FRESH_MS
      if (!isFresh) await answerTo('GET', '/version', undefined)
      return newest && new Date(newest.date + performance.now() - newest.at)
    },
  }
}

/** Repeats a request that ended with a gateway error: the node is busy or restarting. */
async function persistently(ask: () => Promise<Answer>, delays = RETRY_DELAYS_MS): Promise<Answer> {
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
  /** Header `Date`. */
  date: string | undefined
}

interface Socket {
  ca: string | undefined
  rejectUnauthorized: boolean
  /** Milliseconds. */
  timeout: number
  agent: Agent
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
      // A new connection: if a reused one is closed at this moment, nobody knows whether the request took effect.
      ...(method !== 'GET' && { agent: false }),
    }
    const request = httpsRequest(`${endpoint.url}${path}`, options, response => {
      limitAnswer(request, endpoint)
      read(response).then(resolve, fail)
    })
    // The time of an upload is that of its file.
    if (!(body?.content instanceof Readable)) limitAnswer(request, endpoint)
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (!request.reusedSocket || error.code !== 'ECONNRESET') return fail(error)
      exchange(endpoint, socket, method, path, headers, body).then(resolve, reject)
    })
    send(body?.content, request)
  })
}

/** Ends the request if its answer is not whole in time, such as one that comes byte by byte. */
function limitAnswer(request: ClientRequest, { answerMs = DEFAULT_ANSWER_MS }: Endpoint): void {
  const end = (): void =>
    void request.destroy(Object.assign(new Error('no whole answer'), { code: 'ETIMEDOUT' }))
  const timer = setTimeout(end, answerMs)
  request.once('close', () => clearTimeout(timer))
}

function send(content: Buffer | Readable | undefined, request: ClientRequest): void {
  if (!(content instanceof Readable)) request.end(content)
  else content.on('error', error => request.destroy(error)).pipe(request)
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > LONGEST_ANSWER) throw Object.assign(new Error('long answer'), { code: 'ANSWER_TOO_LONG' })
    chunks.push(chunk)
  }
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    body: Buffer.concat(chunks).toString('utf8'),
    date: response.headers.date,
  }
}

/** Checks that the body is a document of the API, which always has `data`. @throws ProxmintError (invalid). */
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
