/** A thin client for the tests: sends exactly what it is told and shows status, reason and body. */

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNoneDriver, type NoneDriver } from '../../guests/none.mts'
import { createPveServer, type PveServer, type PveServerOptions } from '../../pve/server.mts'

export const ROOT_PASSWORD = 'correct horse'
/** The secret of `root@pam!test`, which has all of root's privileges. */
export const ROOT_TOKEN = 'b6f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a11'

export interface Reply {
  status: number
  /** The status line's text. */
  reason: string
  headers: IncomingHttpHeaders
  body: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  data: any
  message: string | undefined
  errors: Record<string, string> | undefined
  // biome-ignore lint/suspicious/noExplicitAny: the same
  json: any
}

export type Headers = Record<string, string>

export interface TestLab {
  /** Of `root@pam!test`. */
  rootHeaders: Headers
  server: PveServer
  driver: NoneDriver
  dataDir: string
  /** As `root@pam!test` unless `headers` say otherwise. An object body goes as a form. */
  call(
    method: string,
    path: string,
    body?: Record<string, unknown> | string | Buffer,
    headers?: Headers,
  ): Promise<Reply>
  get(path: string, headers?: Headers): Promise<Reply>
  /** Calls, waits for the task, and returns its exit status. */
  task(method: string, path: string, body?: Record<string, unknown>, headers?: Headers): Promise<string>
  /** Headers of root@pam itself, which may do what its token may not. */
  rootTicket(): Promise<Headers>
  close(): Promise<void>
}

export const tokenHeader = (id: string, secret: string): Headers => ({
  authorization: `PVEAPIToken=${id}=${secret}`,
})

/** Headers of `root@pam!test`. */
export const rootHeaders = tokenHeader('root@pam!test', ROOT_TOKEN)

function parse({ statusCode, statusMessage, headers }: IncomingMessage, body: string): Reply {
  const [status, reason] = [statusCode!, statusMessage!]
  const isJson = body !== '' && headers['content-type']?.startsWith('application/json') === true
  const json = isJson ? JSON.parse(body) : undefined
  return {
    status,
    reason,
    headers,
    body,
    json,
    data: json?.data,
    message: json?.message,
    errors: json?.errors,
  }
}

export const formOf = (body: Record<string, unknown>) =>
  new URLSearchParams(Object.entries(body).map(([key, value]) => [key, String(value)])).toString()

/** Sends one request. `server` says where it is and which authority to trust. */
export function send(
  server: Pick<PveServer, 'url' | 'caFile'>,
  method: string,
  path: string,
  body: string | Buffer,
  headers: Headers,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }
    const sent = request(
      `${server.url}${path}`,
      { ...options, ca: readFileSync(server.caFile) },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('end', () => resolve(parse(response, Buffer.concat(chunks).toString())))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

function contentType(body: Record<string, unknown> | string | Buffer): Headers {
  return {
    'content-type': typeof body === 'string' ? 'application/json' : 'application/x-www-form-urlencoded',
  }
}

/** Headers of a ticket of root@pam. */
export async function ticketOfRoot(server: Pick<PveServer, 'url' | 'caFile'>): Promise<Headers> {
  const login = { username: 'root@pam', password: ROOT_PASSWORD }
  const reply = await send(server, 'POST', '/access/ticket', formOf(login), contentType(login))
  const { ticket, CSRFPreventionToken } = reply.data
  return { cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}`, CSRFPreventionToken }
}

const USER_CFG = 'user:root@pam:1:0::::::\ntoken:root@pam!test:0:0::\n'

/** A server of its own in a fresh folder. `userCfg` is added to root and its token. */
export async function startLab(options: Partial<PveServerOptions> = {}): Promise<TestLab> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'pve-test-')))
  const driver = createNoneDriver()
  const server = await createPveServer({
    listen: { host: '127.0.0.1', port: 0 },
    driver,
    rootPassword: ROOT_PASSWORD,
    timeScale: 0,
    ...options,
    dataDir,
    userCfg: `${USER_CFG}${options.userCfg ?? ''}`,
    tokenSecrets: { 'root@pam!test': ROOT_TOKEN, ...options.tokenSecrets },
  })
  const call: TestLab['call'] = (method, path, body = {}, headers = rootHeaders) => {
    const sent = typeof body === 'string' || Buffer.isBuffer(body) ? body : formOf(body)
    return send(server, method, path, sent, { ...contentType(body), ...headers })
  }
  return {
    rootHeaders,
    server,
    driver,
    dataDir,
    call,
    get: (path, headers) => call('GET', path, {}, headers),
    async task(method, path, body, headers) {
      const reply = await call(method, path, body, headers)
      if (reply.status !== 200) throw new Error(`${method} ${path}: ${reply.status} ${reply.reason}`)
      return waitForTask(call, reply.data)
    },
    rootTicket: () => ticketOfRoot(server),
    async close() {
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function waitForTask(call: TestLab['call'], upid: string): Promise<string> {
  for (;;) {
    const { data } = await call(
      'GET',
      `/nodes/${upid.split(':')[1]}/tasks/${encodeURIComponent(upid)}/status`,
    )
    if (data.status === 'stopped') return data.exitstatus
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
