/** Requests no client should send: Proxmox's own answer, and a server that goes on. */

import { randomBytes } from 'node:crypto'
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Headers, ROOT_PASSWORD, startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = '0f8c4a0e-6f0a-4d7e-9d39-2a4f5a1f9f10'
const qemu = '/nodes/pve/qemu'
const local = '/nodes/pve/storage/local'
const FORM = 'application/x-www-form-urlencoded'

let lab: TestLab
let ca: string
beforeAll(async () => {
  lab = await startLab({
    idleSeconds: 2,
    userCfg:
      'user:off@pve:0:0::::::\nuser:old@pve:1:1000::::::\ntoken:off@pve!t:0:0::\ntoken:old@pve!t:0:0::\n',
    tokenSecrets: { 'off@pve!t': SECRET, 'old@pve!t': SECRET },
  })
  ca = await readFile(lab.server.caFile, 'utf8')
  await writeFile(join(lab.dataDir, 'outside.txt'), 'secret of the host')
})
afterAll(() => lab.close())
afterEach(async () => {
  expect((await lab.get('/version')).status).toBe(200)
})

interface Raw {
  /** The status line; empty when the server hung up. */
  statusLine: string
  body: string
}

async function open(): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: lab.server.port, ca, servername: 'localhost' })
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return socket
}

/** What comes until the server closes; a reset is a close too. */
function answerOn(socket: TLSSocket): Promise<Raw> {
  return new Promise(resolve => {
    let text = ''
    socket.setEncoding('utf8').on('data', chunk => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n')
      resolve({ statusLine: head.split('\r\n')[0]!, body })
    })
  })
}

/** Sends bytes as they are and waits for the end of the connection. */
async function raw(bytes: string | Buffer): Promise<Raw> {
  const socket = await open()
  const answer = answerOn(socket)
  socket.write(bytes)
  return answer
}

const AUTH = `Authorization: ${tokenHeader('root@pam!test', 'b6f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a11')['authorization']}`
const request = (line: string, headers: string[] = [], body = '') =>
  [`${line} HTTP/1.1`, 'Host: localhost', AUTH, 'Connection: close', ...headers, '', body].join('\r\n')
const withBody = (type: string, body: string) => [`Content-Type: ${type}`, `Content-Length: ${body.length}`]

const json = (body: string | Buffer, path = qemu) =>
  lab.call('POST', path, body, { ...lab.rootHeaders, 'content-type': 'application/json' })

describe('no request of HTTP', () => {
  test.each([
    ['noise', Buffer.concat([Buffer.from([0, 1, 2]), randomBytes(200)]), 'HTTP/1.0 400 bad request'],
    ['no method', 'hello\r\n\r\n', 'HTTP/1.0 400 bad request'],
    ['an unknown method', request('BREW /api2/json/version'), "HTTP/1.0 501 method 'BREW' not available"],
    [
      'a method Proxmox has not',
      request('PATCH /api2/json/version'),
      "HTTP/1.1 501 method 'PATCH' not available",
    ],
    [
      'a header that is none',
      request('GET /api2/json/version', ['no colon here']),
      'HTTP/1.0 506 unable to parse request header',
    ],
    [
      'a chunked body',
      request('POST /api2/json/pools', ['Transfer-Encoding: chunked'], '0\r\n\r\n'),
      'HTTP/1.1 501 chunked transfer encoding not supported',
    ],
    [
      'a body with a GET',
      request('GET /api2/json/version', withBody(FORM, 'a=1'), 'a=1'),
      "HTTP/1.1 501 Unexpected content for method 'GET'",
    ],
    [
      'a body with a DELETE',
      request(`DELETE /api2/json${qemu}/100`, withBody(FORM, 'purge=1'), 'purge=1'),
      "HTTP/1.1 501 Unexpected content for method 'DELETE'",
    ],
    [
      'another type of body',
      request('POST /api2/json/pools', withBody('text/xml', '<a/>'), '<a/>'),
      "HTTP/1.1 506 upload 'Content-Type 'text/xml' not implemented",
    ],
    [
      'a body that says it is 1 GiB',
      request('POST /api2/json/pools', [`Content-Type: ${FORM}`, `Content-Length: ${1024 ** 3}`]),
      'HTTP/1.1 501 for data too large',
    ],
  ])('%s', async (_, bytes, statusLine) => {
    expect((await raw(bytes)).statusLine).toBe(statusLine)
  })

  test.each([
    ['one header of 1 MB', [`X-Large: ${'x'.repeat(1024 ** 2)}`]],
    ['one header of 9 KB', [`X-Large: ${'x'.repeat(9 * 1024)}`]],
    ['70 headers', Array.from({ length: 70 }, (_, index) => `X-${index}: 1`)],
  ])('%s: it hangs up', async (_, headers) => {
    expect(await raw(request('GET /api2/json/version', headers))).toEqual({ statusLine: '', body: '' })
  })

  test('a query of 9 KB is none of the headers', async () => {
    const { statusLine } = await raw(request(`GET /api2/json/version?x=${'x'.repeat(9 * 1024)}`))
    expect(statusLine).toBe('HTTP/1.1 400 Parameter verification failed.')
  })
})

describe('a client that is slow', () => {
  test('slow-loris: one that stops in its headers is hung up on', async () => {
    const socket = await open()
    const answer = answerOn(socket)
    socket.write('GET /api2/json/version HTTP/1.1\r\nX-Slow: ')
    expect(await answer).toEqual({ statusLine: '', body: '' })
  })

  test('40 of them keep nobody else waiting', async () => {
    const sockets = await Promise.all(Array.from({ length: 40 }, open))
    const answers = sockets.map(answerOn)
    for (const socket of sockets) socket.write('POST /api2/json/pools HTTP/1.1\r\n')
    expect((await lab.get('/version')).status).toBe(200)
    expect(new Set((await Promise.all(answers)).map(({ statusLine }) => statusLine))).toEqual(new Set(['']))
  })

  test('half a body is never acted on', async () => {
    const headers = [`Content-Type: ${FORM}`, 'Content-Length: 100']
    const answer = await raw(request('POST /api2/json/pools', headers, 'poolid=half'))
    expect(answer).toEqual({ statusLine: '', body: '' })
    expect((await lab.get('/pools')).data).toEqual([])
  })

  test('half an upload leaves no file', async () => {
    const type = 'multipart/form-data; boundary=B'
    const part = '--B\r\nContent-Disposition: form-data; name="filename"; filename="half.iso"\r\n\r\nhalf'
    const headers = [`Content-Type: ${type}`, 'Content-Length: 5000']
    expect((await raw(request(`POST /api2/json${local}/upload`, headers, part))).statusLine).toBe('')
    expect((await lab.get(`${local}/content`)).data).toEqual([])
    await expect.poll(() => readdir(join(lab.dataDir, 'uploads')).catch(() => [])).toEqual([])
  })

  test('an upload whose first part does not begin is hung up on', async () => {
    const type = 'multipart/form-data; boundary=B'
    const headers = [`Content-Type: ${type}`, `Content-Length: ${64 * 1024 ** 2}`]
    const bytes = request(`POST /api2/json${local}/upload`, headers, 'x'.repeat(1024 ** 2))
    expect(await raw(bytes)).toEqual({ statusLine: '', body: '' })
  })

  test('one that goes away in the midst of the answer harms nobody', async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, open))
    for (const socket of sockets) {
      socket.on('error', () => {})
      socket.write(request('GET /api2/json/cluster/resources'))
      socket.destroy()
    }
  })
})

describe('bodies', () => {
  test.each([
    ['half an object', '{"poolid":'],
    ['no object', '[1]'],
    ['a number', '12'],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['100,000 brackets', '['.repeat(100_000)],
    ['100,000 nested lists', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['an object for a text', '{"poolid":{"a":1}}'],
    ['a list of objects', '{"poolid":[{"a":1}]}'],
  ])('JSON: %s is an error, and nothing is done', async (_, body) => {
    const reply = await json(body, '/pools')
    expect([400, 500]).toContain(reply.status)
    expect(reply.reason.length).toBeGreaterThan(5)
    expect((await lab.get('/pools')).data).toEqual([])
  })

  test('deep nesting has the text of Proxmox', async () => {
    const text = 'json text or perl structure exceeds maximum nesting level (max_depth set too low?)'
    expect((await json('['.repeat(100_000), '/pools')).reason).toContain(text)
  })

  test('an object for a text names the parameter', async () => {
    expect((await json('{"poolid":{"a":1}}', '/pools')).errors).toEqual({
      poolid: "type check ('string') failed - got HASH",
    })
  })

  test('600 KB are too much, 400 KB are only too long for a description', async () => {
    const send = (size: number) => lab.call('POST', '/pools', { poolid: 'big', comment: 'x'.repeat(size) })
    expect(await send(600_000)).toMatchObject({ status: 501, reason: 'for data too large' })
    expect((await send(400_000)).status).toBe(200)
    await lab.call('DELETE', '/pools/big')
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'a parameter called %s is just unknown',
    async key => {
      const expected = { status: 400, errors: { [key]: expect.stringContaining('not defined in schema') } }
      expect(await lab.call('POST', '/pools', `${key}=1&poolid=x`, formHeaders())).toMatchObject(expected)
      expect(await json(`{"poolid":"x","${key}":"1"}`, '/pools')).toMatchObject(expected)
      expect((await lab.get(`/pools?${key}=1`)).status).toBe(400)
    },
  )

  test.each([
    ['a pool', 'GET', '/pools/constructor', {}],
    ['a storage', 'GET', '/nodes/pve/storage/constructor/status', {}],
    ['a user', 'GET', '/access/users/constructor@pve', {}],
    ['a role', 'GET', '/access/roles/__proto__', {}],
    ['a disk on a storage', 'POST', qemu, { vmid: 300, scsi0: 'constructor:1' }],
    ['a clone into a pool', 'POST', qemu, { vmid: 300, pool: 'constructor' }],
  ])('%s named like what every object has does not exist', async (_, method, path, body) => {
    const reply = await lab.call(method, path, body)
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(reply.reason).not.toMatch(/undefined|not a function|prototype|reading/)
  })

  test('a percent sign that encodes nothing', async () => {
    expect((await lab.get('/nodes/%zz/status')).reason).toMatch(/^hostname lookup '%zz' failed/)
    expect((await lab.call('POST', '/pools', 'poolid=%zz', formHeaders())).status).toBe(400)
  })
})

const formHeaders = (): Headers => ({ ...lab.rootHeaders, 'content-type': FORM })

describe('paths that do not exist', () => {
  test.each(['/nope', '/nodes/pve/qemu/100/nope', '/cluster/nope/nope', '/%00', '/nodes/pve/../../nope'])(
    '%s',
    async path => {
      expect((await lab.get(path)).status).toBe(501)
    },
  )

  test.each(['/', '/api2/extjs/version', '/favicon.ico', '/../../etc/passwd'])('outside: %s', async path => {
    const { statusLine, body } = await raw(request(`GET ${path}`))
    expect(statusLine).toMatch(/^HTTP\/1\.1 501 /)
    expect(body).not.toContain('root:')
  })
})

describe('paths that lead out of a storage', () => {
  const outside = ['../../../outside.txt', '..%2f..%2f..%2foutside.txt', '%2e%2e/%2e%2e/outside.txt']
  const encoded = (volid: string) => `${local}/content/${encodeURIComponent(volid)}`

  test.each(outside)('a volume local:iso/%s is none', async name => {
    // Clients shorten a path with `..` before they send it, so it goes out as bytes.
    for (const path of [encoded(`local:iso/${name}`), `${local}/content/local:iso/${name}`]) {
      const { statusLine, body } = await raw(request(`GET /api2/json${path}`))
      expect(statusLine).toMatch(/^HTTP\/1\.1 50[01] /)
      expect(body).not.toContain('secret of the host')
      await raw(request(`DELETE /api2/json${path}`))
    }
    await lab.server.admin.settled()
    await access(join(lab.dataDir, 'outside.txt'))
  })

  test.each(['local:iso/../../../../outside.txt', 'local:iso/../../outside.txt,media=cdrom'])(
    'a CD from %s is refused',
    async ide2 => {
      const reply = await lab.call('POST', qemu, { vmid: 200, ide2 })
      const failed = reply.status !== 200 || lab.server.admin.tasks().at(-1)!.exitstatus !== 'OK'
      expect(failed).toBe(true)
      expect(lab.server.admin.vmids()).toEqual([])
    },
  )

  test('a snippet from outside gives a VM that does not start, and shows nothing', async () => {
    const cicustom = 'user=local:snippets/../../../outside.txt'
    const made = await lab.call('POST', qemu, { vmid: 201, ide2: 'tank:cloudinit', cicustom })
    if (made.status === 200) {
      await lab.server.admin.settled()
      const dump = await lab.get(`${qemu}/201/cloudinit/dump?type=user`)
      expect(dump.body).not.toContain('secret of the host')
      expect(await lab.task('POST', `${qemu}/201/status/start`)).not.toBe('OK')
      await lab.task('DELETE', `${qemu}/201`)
    }
  })

  test('an upload keeps the last part of its name only', async () => {
    const part = (name: string, more: string, value: string) =>
      `--B\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
    const body = `${part('content', '', 'iso')}${part('filename', '; filename="../../../../evil.iso"', 'x')}--B--\r\n`
    await lab.call('POST', `${local}/upload`, Buffer.from(body), {
      ...lab.rootHeaders,
      'content-type': 'multipart/form-data; boundary=B',
    })
    await lab.server.admin.settled()
    const volids = (await lab.get(`${local}/content`)).data.map((file: { volid: string }) => file.volid)
    expect(volids).toEqual(['local:iso/evil.iso'])
    await lab.task('DELETE', encoded('local:iso/evil.iso'))
  })

  test.each(['../evil.iso', '/etc/evil.iso', '..', 'a/b.iso', '.hidden.iso', 'evil.sh'])(
    'a download to %s stays in its folder or is refused',
    async filename => {
      const url = 'http://127.0.0.1:1/x.iso'
      await lab.call('POST', `${local}/download-url`, { filename, url, content: 'iso' })
      await lab.server.admin.settled()
      expect((await readdir(lab.dataDir)).filter(name => name.includes('evil'))).toEqual([])
      expect((await lab.get(`${local}/content`)).data).toEqual([])
    },
  )
})

describe('logins', () => {
  test.each([
    ['a token of a disabled user', tokenHeader('off@pve!t', SECRET)],
    ['a token of an expired user', tokenHeader('old@pve!t', SECRET)],
    ['a token without a secret', { authorization: 'PVEAPIToken=root@pam!test' }],
    ['a token of nobody', tokenHeader('__proto__!constructor', SECRET)],
  ])('%s', async (_, headers) => {
    expect(await lab.get('/version', headers)).toMatchObject({
      status: 401,
      reason: 'Authentication failed!',
      body: '',
    })
  })

  test.each([
    ['another scheme', { authorization: 'Basic cm9vdDpyb290' }],
    ['an empty cookie', { cookie: 'PVEAuthCookie=' }],
  ])('%s is no ticket', async (_, headers) => {
    expect(await lab.get('/version', headers)).toMatchObject({ status: 401, reason: 'No ticket' })
  })

  test('a wrong CSRF token', async () => {
    const { cookie } = await lab.rootTicket()
    const headers = { cookie: cookie!, CSRFPreventionToken: '00000000:x' }
    expect(await lab.call('POST', '/pools', { poolid: 'x' }, headers)).toMatchObject({
      status: 401,
      reason: 'Permission denied - invalid csrf token',
    })
  })

  test.each([
    { username: 'root@pam' },
    { password: ROOT_PASSWORD },
    { username: ['a', 'b'], password: 'x' },
    { username: '__proto__', password: 'x' },
    { username: 'root@pam', password: 'x'.repeat(100_000) },
  ])('%o is no login', async body => {
    expect([400, 401]).toContain((await json(JSON.stringify(body), '/access/ticket')).status)
  })
})
