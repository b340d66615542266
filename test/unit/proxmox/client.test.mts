import { writeFile } from 'node:fs/promises'
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type Endpoint,
  type ProxmoxClient,
  passwordClient,
  tokenClient,
} from '../../../scripts/lib/proxmox/client.mts'
import { uploadFile } from '../../../scripts/lib/proxmox/upload-file.mts'
import { redact } from '../../../scripts/lib/run/redact.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import {
  type Certificate,
  certificateAuthority,
  httpsServer,
  type Reply,
  serverCertificate,
} from './https-server.mts'

const token = {
  user: 'terraform@pve',
  tokenId: 'terraform-token',
  tokenSecret: 'c0ffee00-1111-4222-8333-444455556666',
}
const identity = 'terraform@pve!terraform-token'
const login = { user: 'terraform@pve', password: 'p@ss word&more' }

let selfSigned: Certificate
beforeAll(async () => {
  selfSigned = await serverCertificate()
})

const answer = (data: unknown): Reply => ({ body: JSON.stringify({ data }) })

/** A server with these replies, and a client that does not ask for its certificate. */
async function connected(reply: Parameters<typeof httpsServer>[1]) {
  const server = await httpsServer(selfSigned, reply)
  return { ...server, client: tokenClient({ url: server.url, skipTlsVerify: true }, token) }
}

const version = (client: ProxmoxClient) => client.request('GET', '/version')

describe('certificates', () => {
  const caHint =
    'set proxmox_ca_file to the CA that signed it (on a node: /etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true on a network you trust'

  /** Asks a server that has this certificate. */
  async function ask(certificate: Certificate, trust: (url: string) => Promise<Endpoint> | Endpoint) {
    const { url, received } = await httpsServer(certificate, () => answer({ version: '9.1.2' }))
    const endpoint = await trust(url)
    return { url, received, asked: () => version(tokenClient(endpoint, token)) }
  }

  async function fileWith(text: string): Promise<string> {
    const file = join(await temporaryFolder(), 'ca.pem')
    await writeFile(file, text)
    return file
  }

  test('self-signed, without its CA: refused before the token is sent', async () => {
    const { url, received, asked } = await ask(selfSigned, url => ({ url }))
    expect(await failureOf(asked)).toEqual({
      message: `cannot reach Proxmox VE at ${url}: its certificate is self-signed`,
      hint: caHint,
      exitCode: 4,
      facts: {},
    })
    expect(received).toEqual([])
  })

  test('signed by a CA nobody knows', async () => {
    const certificate = await serverCertificate({ authority: await certificateAuthority() })
    const { url, asked } = await ask(certificate, url => ({ url }))
    expect(await failureOf(asked)).toMatchObject({
      message: `cannot reach Proxmox VE at ${url}: its certificate is signed by an unknown CA`,
      hint: caHint,
      exitCode: 4,
    })
  })

  test('signed by the CA that is given', async () => {
    const authority = await certificateAuthority()
    const certificate = await serverCertificate({ authority })
    const { asked } = await ask(certificate, async url => ({ url, caFile: await fileWith(authority.cert) }))
    expect(await asked()).toEqual({ version: '9.1.2' })
  })

  test.each([
    ['another CA', 'other CA', 'its certificate is signed by an unknown CA'],
    ['another CA of the same name', 'test CA', 'its certificate is signed by another CA of the same name'],
  ])('signed by %s than the one that is given', async (_, name, why) => {
    const certificate = await serverCertificate({ authority: await certificateAuthority() })
    const { cert } = await certificateAuthority(name)
    const { url, asked } = await ask(certificate, async url => ({ url, caFile: await fileWith(cert) }))
    expect(await failureOf(asked)).toEqual({
      message: `cannot reach Proxmox VE at ${url}: ${why}`,
      hint: caHint,
      exitCode: 4,
      facts: {},
    })
  })

  test('any, where that is asked for', async () => {
    const { asked } = await ask(selfSigned, url => ({ url, skipTlsVerify: true }))
    expect(await asked()).toEqual({ version: '9.1.2' })
  })

  test('for another name', async () => {
    const authority = await certificateAuthority()
    const certificate = await serverCertificate({ authority, name: 'pve.example.net' })
    const { url, asked } = await ask(certificate, async url => ({
      url,
      caFile: await fileWith(authority.cert),
    }))
    expect(await failureOf(asked)).toEqual({
      message: `cannot reach Proxmox VE at ${url}: its certificate is for another name`,
      hint: 'use a name in proxmox_url that the certificate holds',
      exitCode: 4,
      facts: {},
    })
  })

  test('expired', async () => {
    const authority = await certificateAuthority()
    const certificate = await serverCertificate({ authority, expired: true })
    const { url, asked } = await ask(certificate, async url => ({
      url,
      caFile: await fileWith(authority.cert),
    }))
    expect(await failureOf(asked)).toEqual({
      message: `cannot reach Proxmox VE at ${url}: its certificate has expired`,
      hint: 'renew it on the node: `pvecm updatecerts --force`',
      exitCode: 4,
      facts: {},
    })
  })

  test('a CA file that is not there', async () => {
    const endpoint = { url: 'https://127.0.0.1:8006/api2/json', caFile: '/no/such/ca.pem' }
    expect(await failureOf(() => tokenClient(endpoint, token))).toEqual({
      message: 'cannot read the CA file /no/such/ca.pem',
      hint: 'correct proxmox_ca_file; on a node the CA is /etc/pve/pve-root-ca.pem',
      exitCode: 3,
      facts: {},
    })
  })
})

describe('the clock of Proxmox VE', () => {
  test('is known from an answer, and not asked again within a minute', async () => {
    const { client, received } = await connected(() => answer({ version: '9.1.2' }))
    await version(client)
    const time = await client.time()
    expect(Math.abs(time!.getTime() - Date.now())).toBeLessThan(3000)
    expect(received).toHaveLength(1)
  })

  test('is asked where nothing was asked yet', async () => {
    const { client, received } = await connected(() => answer({ version: '9.1.2' }))
    expect(Math.abs((await client.time())!.getTime() - Date.now())).toBeLessThan(3000)
    expect(received).toHaveLength(1)
  })
})

describe('something else than Proxmox VE answers', () => {
  const expected = (url: string, start: string) => ({
    message: `${url} did not answer as a Proxmox VE API does`,
    hint: 'check proxmox_url: it is the API of a node, https://HOST:8006/api2/json',
    exitCode: 3,
    facts: { answer: `200 OK: ${start}` },
  })

  test.each([
    [
      'a web page',
      `<!DOCTYPE html>\n<html>\n  <title>Router</title>${'x'.repeat(99)}`,
      `<!DOCTYPE html> <html> <title>Router</title>${'x'.repeat(34)}`,
    ],
    ['nothing', '', ''],
    ['JSON of another kind', 'null', 'null'],
    ['JSON without data', '{"status":"ok"}', '{"status":"ok"}'],
    ['a list', '[]', '[]'],
  ])('%s', async (_, body, start) => {
    const { client, url } = await connected(() => ({ body }))
    expect(await failureOf(() => version(client))).toEqual(expected(url, start))
  })

  test('a page that is an error', async () => {
    const { client, url } = await connected(() => ({ status: 404, body: '<html>nginx</html>' }))
    expect(await failureOf(() => version(client))).toEqual({
      ...expected(url, ''),
      facts: { answer: '404 Not Found: <html>nginx</html>' },
    })
  })

  test('data that is null is an answer', async () => {
    const { client } = await connected(() => answer(null))
    expect(await version(client)).toBeNull()
  })

  async function listening(server: Server): Promise<string> {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}/api2/json`
  }

  test.each<[string, () => Server]>([
    ['a server of plain HTTP', () => createPlainServer((_, response) => void response.end('hello'))],
    [
      'a server of another protocol',
      () => createTcpServer(socket => void socket.end('SSH-2.0-OpenSSH_9.2p1\r\n')),
    ],
  ])('%s', async (_, create) => {
    const url = await listening(create())
    expect(await failureOf(() => version(tokenClient({ url }, token)))).toEqual({
      message: `cannot reach Proxmox VE at ${url}: it does not speak TLS`,
      hint: 'check the port in proxmox_url: the API is on 8006',
      exitCode: 1,
      facts: {},
    })
  })

  test('a port where nobody listens', async () => {
    const server = createTcpServer()
    const url = await listening(server)
    await new Promise(resolve => server.close(resolve))
    expect(await failureOf(() => version(tokenClient({ url }, token)))).toEqual({
      message: `cannot reach Proxmox VE at ${url}: connection refused`,
      hint: 'check host and port in proxmox_url (8006), and that pveproxy runs',
      exitCode: 1,
      facts: {},
    })
  })
})

describe('an API token', () => {
  test('goes with every request, and nothing else does', async () => {
    const { client, received } = await connected(() => answer([]))
    expect(client.identity).toBe(identity)
    await version(client)
    await client.request('POST', '/nodes/pve/qemu', { vmid: 100 })
    for (const { headers } of received) {
      expect(headers.authorization).toBe(`PVEAPIToken=${identity}=${token.tokenSecret}`)
      expect(headers).not.toHaveProperty('cookie')
      expect(headers).not.toHaveProperty('csrfpreventiontoken')
    }
    expect(received.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api2/json/version',
      'POST /api2/json/nodes/pve/qemu',
    ])
  })

  test('that is refused', async () => {
    const { client } = await connected(() => ({ status: 401, reason: 'no such token', body: '' }))
    expect(await failureOf(() => version(client))).toEqual({
      message: 'GET /version: 401 no such token',
      hint: `Proxmox does not know ${identity} with this secret: correct user, realm, token id or secret (sops edit secrets/proxmox-creds.enc.yaml, or PROXMOX_USERNAME and PROXMOX_TOKEN), and check that neither user nor token is disabled or expired`,
      exitCode: 4,
      facts: { identity },
    })
  })
})

describe('a password', () => {
  const ticket = 'PVE:terraform@pve:65A1B2C3::signature'

  async function withPassword(reply: Parameters<typeof httpsServer>[1]) {
    const { url, received } = await httpsServer(selfSigned, reply)
    return { received, client: passwordClient({ url, skipTlsVerify: true }, login) }
  }

  test('logs in once for several requests, also at the same time', async () => {
    const { client, received } = await withPassword(({ path }) =>
      path.endsWith('/access/ticket') ? answer({ ticket, CSRFPreventionToken: 'csrf' }) : answer([]),
    )
    expect(client.identity).toBe('terraform@pve')
    await Promise.all([version(client), client.request('GET', '/nodes')])
    await client.request('DELETE', '/nodes/pve/qemu/100')
    const [first, ...others] = received
    expect(first).toMatchObject({ method: 'POST', path: '/api2/json/access/ticket' })
    expect(Object.fromEntries(new URLSearchParams(first!.body))).toEqual({
      username: 'terraform@pve',
      password: 'p@ss word&more',
    })
    expect(first!.headers).not.toHaveProperty('cookie')
    expect(others.map(({ path }) => path).sort()).toEqual([
      '/api2/json/nodes',
      '/api2/json/nodes/pve/qemu/100',
      '/api2/json/version',
    ])
    for (const { headers } of others) {
      expect(headers).toMatchObject({ cookie: `PVEAuthCookie=${ticket}`, csrfpreventiontoken: 'csrf' })
      expect(headers).not.toHaveProperty('authorization')
    }
    expect(redact(`a log with ${ticket} in it`)).toBe('a log with *** in it')
  })

  test('that is refused', async () => {
    const { client, received } = await withPassword(() => ({
      status: 401,
      reason: 'authentication failure',
      body: '{"data":null,"message":"authentication failure\\n"}',
    }))
    expect(await failureOf(() => version(client))).toEqual({
      message: 'POST /access/ticket: 401 authentication failure',
      hint: 'Proxmox does not know terraform@pve with this password: check user, realm and password (proxmox_password), and that the user is neither disabled nor expired',
      exitCode: 4,
      facts: { identity: 'terraform@pve' },
    })
    expect(received).toHaveLength(1)
  })
})

describe('a ticket, which lives two hours', () => {
  const minute = 60_000
  const start = Date.UTC(2026, 0, 5)
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: start })
    return () => void vi.useRealTimers()
  })

  /** Each login gets the next ticket, or this status. @returns the tickets that requests came with, too. */
  async function loggingIn(...statuses: number[]) {
    let logins = 0
    const { url, received } = await httpsServer(selfSigned, ({ path }) => {
      if (!path.endsWith('/access/ticket')) return answer([])
      const status = statuses[logins++] ?? 200
      const granted = { ticket: `PVE:terraform@pve:${logins}`, CSRFPreventionToken: `csrf ${logins}` }
      return status === 200 ? answer(granted) : { status, body: '' }
    })
    const client = passwordClient({ url, skipTlsVerify: true }, login)
    const askAt = (minutes: number) => {
      vi.setSystemTime(start + minutes * minute)
      return version(client)
    }
    return { client, askAt, cookies: () => received.flatMap(({ headers }) => headers.cookie ?? []) }
  }
  const cookie = (login: number) => `PVEAuthCookie=PVE:terraform@pve:${login}`

  test('is had anew in time, once for all that ask at that moment', async () => {
    const { client, askAt, cookies } = await loggingIn()
    for (const minutes of [0, 59, 61, 119]) await askAt(minutes)
    vi.setSystemTime(start + 125 * minute)
    await Promise.all([version(client), version(client)])
    expect(cookies()).toEqual([1, 1, 2, 2, 3, 3].map(cookie))
  })

  test('a renewal that fails is tried again with the next request', async () => {
    const { askAt, cookies } = await loggingIn(200, 503)
    await askAt(0)
    expect((await failureOf(() => askAt(61))).message).toContain('POST /access/ticket: 503')
    await askAt(62)
    expect(cookies()).toEqual([1, 3].map(cookie))
  })

  test('a login that is refused at the beginning is not tried again: it would lock the user out', async () => {
    const { askAt } = await loggingIn(401)
    for (const minutes of [0, 1]) {
      expect((await failureOf(() => askAt(minutes))).message).toContain('POST /access/ticket: 401')
    }
  })
})

describe('parameters', () => {
  const parameters = { vmid: 100, full: true, purge: false, name: 'a b&c=d', pool: undefined, tags: '' }
  const encoded = 'vmid=100&full=1&purge=0&name=a+b%26c%3Dd&tags='

  test.each<['GET' | 'DELETE' | 'POST' | 'PUT', string, string]>([
    ['GET', `/x?${encoded}`, ''],
    ['DELETE', `/x?${encoded}`, ''],
    ['POST', '/x', encoded],
    ['PUT', '/x', encoded],
  ])('of a %s', async (method, path, body) => {
    const { client, received } = await connected(() => answer(null))
    await client.request(method, '/x', parameters)
    expect(received).toMatchObject([{ method, path: `/api2/json${path}`, body }])
    if (body !== '') {
      expect(received[0]!.headers['content-type']).toBe('application/x-www-form-urlencoded')
    }
  })

  test('none', async () => {
    const { client, received } = await connected(() => answer(null))
    await client.request('GET', '/x')
    await client.request('POST', '/x')
    expect(received).toMatchObject([
      { path: '/api2/json/x', body: '' },
      { path: '/api2/json/x', body: '' },
    ])
  })
})

test('an upload: multipart, with a length, everything else before the file', async () => {
  const { client, received } = await connected(() => answer('UPID:pve:1:2:3:imgcopy::terraform@pve:'))
  const upid = await uploadFile(
    client,
    { node: 'pve', storage: 'local' },
    {
      content: 'iso',
      filename: 'seed.iso',
      file: new Blob(['an ISO image']),
      checksum: { algorithm: 'sha256', value: 'abcd' },
    },
  )
  expect(upid).toBe('UPID:pve:1:2:3:imgcopy::terraform@pve:')
  const [{ method, path, headers, body }] = received as [(typeof received)[0]]
  expect([method, path]).toEqual(['POST', '/api2/json/nodes/pve/storage/local/upload'])
  expect(headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
  expect(headers['content-length']).toBe(String(Buffer.byteLength(body)))
  const fields = [...body.matchAll(/name="([\w-]+)"(?:; filename="([^"]+)")?[\s\S]*?\r\n\r\n(.*)\r\n/g)]
  expect(fields.map(([, name, file, content]) => [name, file, content])).toEqual([
    ['content', undefined, 'iso'],
    ['checksum-algorithm', undefined, 'sha256'],
    ['checksum', undefined, 'abcd'],
    ['filename', 'seed.iso', 'an ISO image'],
  ])
})

describe('errors of the API', () => {
  test.each<[string, Reply, object]>([
    [
      'a privilege is missing',
      {
        status: 403,
        reason: 'Permission check failed (/vms/100, VM.Audit|VM.Monitor)',
        body: '{"data":null,"message":"Permission check failed (/vms/100, VM.Audit|VM.Monitor)\\n"}',
      },
      {
        message: 'GET /version: 403 Permission check failed (/vms/100, VM.Audit|VM.Monitor)',
        hint: `${identity} lacks VM.Audit or VM.Monitor on /vms/100; \`zx scripts/check-permissions.mts\` prints the pveum lines that close the gap`,
        exitCode: 4,
        facts: { identity },
      },
    ],
    [
      'a parameter is wrong',
      {
        status: 400,
        reason: 'Parameter verification failed.',
        body: '{"data":null,"errors":{"vmid":"VM 100 already exists\\n"},"message":"Parameter verification failed.\\n"}',
      },
      {
        message: 'GET /version: 400 Parameter verification failed.',
        hint: undefined,
        exitCode: 1,
        facts: { vmid: 'VM 100 already exists', identity },
      },
    ],
    [
      'a failure without a body: the status line tells',
      { status: 500, reason: 'VM 100 is running - destroy failed', body: '' },
      { message: 'GET /version: 500 VM 100 is running - destroy failed', exitCode: 1 },
    ],
  ])('%s', async (_, reply, expected) => {
    const { client } = await connected(() => reply)
    expect(await failureOf(() => version(client))).toMatchObject(expected)
  })

  test('the parameters of a GET are not told: the path alone is', async () => {
    const { client } = await connected(() => ({ status: 500, reason: 'no', body: '' }))
    expect((await failureOf(() => client.request('GET', '/x', { password: 'p' }))).message).toBe(
      'GET /x: 500 no',
    )
  })
})

describe('a proxy without an answer of the API', () => {
  const hint =
    'a node is busy, restarting or out of reach: try again; if it stays, look at pveproxy and pvedaemon on the node'
  const fails = (status: number): Reply => ({
    status,
    reason: 'Service Unavailable',
    body: '<html>no</html>',
  })

  /** Replies in their order; the last one again and again. */
  async function replying(...replies: Reply[]) {
    const rest = [...replies]
    const { url, received } = await httpsServer(selfSigned, () =>
      rest.length > 1 ? rest.shift()! : rest[0]!,
    )
    const endpoint = { url, skipTlsVerify: true, retryDelays: [1, 1] }
    return { received, client: tokenClient(endpoint, token) }
  }

  test.each([502, 503, 504, 595, 596, 599])('%i: a GET is asked up to three times', async status => {
    const { client, received } = await replying(fails(status), fails(status), answer({ version: '9.1.2' }))
    expect(await version(client)).toEqual({ version: '9.1.2' })
    expect(received).toHaveLength(3)
  })

  test('for good: told after the third time', async () => {
    const { client, received } = await replying(fails(503))
    expect(await failureOf(() => version(client))).toEqual({
      message: 'GET /version: 503 Service Unavailable',
      hint,
      exitCode: 1,
      facts: { identity },
    })
    expect(received).toHaveLength(3)
  })

  test.each(['POST', 'PUT', 'DELETE'] as const)('a %s is asked once', async method => {
    const { client, received } = await replying(fails(595), answer(null))
    expect(await failureOf(() => client.request(method, '/x'))).toMatchObject({
      message: `${method} /x: 595 Service Unavailable`,
      hint,
    })
    expect(received).toHaveLength(1)
  })

  test.each([400, 401, 403, 500, 501])('%i is an answer: asked once', async status => {
    const { client, received } = await replying({ status, reason: 'no', body: '' })
    expect((await failureOf(() => version(client))).message).toBe(`GET /version: ${status} no`)
    expect(received).toHaveLength(1)
  })
})

describe('a connection that the server closes just when it is used again', () => {
  /** Answers one request a connection, and resets the connection at the next. */
  async function impatient(): Promise<{ client: ProxmoxClient; requests: () => number }> {
    const answered = new WeakSet<object>()
    let requests = 0
    const server = createServer(selfSigned, (request, response) => {
      requests++
      if (answered.has(request.socket)) return void request.socket.destroy()
      answered.add(request.socket)
      response.end(JSON.stringify({ data: requests }))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/api2/json`
    return { client: tokenClient({ url, skipTlsVerify: true }, token), requests: () => requests }
  }

  test('a GET is asked again on another one', async () => {
    const { client } = await impatient()
    expect(await version(client)).toBe(1)
    expect(await version(client)).toBe(3)
  })

  test('whatever changes something has a connection of its own', async () => {
    const { client, requests } = await impatient()
    await version(client)
    for (const method of ['POST', 'PUT', 'DELETE'] as const) await client.request(method, '/nodes')
    expect(requests()).toBe(4)
  })

  test('a new connection that is reset is a failure', async () => {
    const server = createServer(selfSigned, request => request.socket.destroy())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/api2/json`
    const failure = await failureOf(() => version(tokenClient({ url, skipTlsVerify: true }, token)))
    expect(failure.message).toBe(`cannot reach Proxmox VE at ${url}: the connection was reset`)
  })
})
