/** Requests as bytes: forms, JSON and paths as Proxmox's web server reads them, and the shapes of its refusals. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Headers, type Reply, startLab, type TestLab } from './client.mts'

let lab: TestLab
let root: Headers
beforeAll(async () => {
  lab = await startLab({ userCfg: 'user:ann@pve:1:0::::::\n', passwords: { 'ann@pve': 'secret' } })
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  root = await lab.rootTicket()
})

const post = (at: string, body: string, type: string): Promise<Reply> =>
  lab.call('POST', at, body, { ...root, 'content-type': type })
const form = (body: string): Promise<Reply> =>
  post('/access/groups', body, 'application/x-www-form-urlencoded')
const json = (body: unknown): Promise<Reply> =>
  post('/access/groups', typeof body === 'string' ? body : JSON.stringify(body), 'application/json')
const commentOf = async (id: string): Promise<unknown> => (await lab.get(`/access/groups/${id}`)).data.comment

describe('forms', () => {
  test.each([
    ['plus and percent', 'groupid=g&comment=a+b%3Dc', 'a b=c'],
    ['UTF-8', 'groupid=g&comment=%C3%BC', 'ü'],
    ['a semicolon separates like an ampersand', 'groupid=g;comment=x;', 'x'],
    ['a second equals sign ends the value', 'groupid=g&comment=a=b', 'a'],
    ['a percent sign that is no code', 'groupid=g&comment=50%', '50%'],
    ['a key without a value is not there', 'groupid=g&comment', undefined],
  ])('%s', async (_, body, comment) => {
    expect((await form(body)).status).toBe(200)
    expect(await commentOf('g')).toBe(comment)
  })

  test('a key that occurs twice is a list, and a list is no text', async () => {
    expect((await form('groupid=a&groupid=b')).errors).toEqual({
      groupid: "type check ('string') failed - got ARRAY",
    })
  })

  test('an unknown key without a value is unknown', async () => {
    expect(Object.keys((await form('groupid=g&x')).errors!)).toEqual(['x'])
  })

  test('_dc says nothing', async () => {
    expect((await lab.get('/version?_dc=123')).status).toBe(200)
  })
})

describe('JSON', () => {
  test.each([
    ['a number is a text', { groupid: 'g', comment: 5 }, '5'],
    ['null is not there', { groupid: 'g', comment: null }, undefined],
  ])('%s', async (_, body, comment) => {
    expect((await json(body)).status).toBe(200)
    expect(await commentOf('g')).toBe(comment)
  })

  test.each([
    [['a'], 'ARRAY'],
    [{ a: 1 }, 'HASH'],
    [true, 'JSON::PP::Boolean'],
  ])('%j is no text', async (comment, kind) => {
    expect((await json({ groupid: 'g', comment })).errors).toEqual({
      comment: `type check ('string') failed - got ${kind}`,
    })
  })

  test('true and false are flags, and an array is a list in one text', async () => {
    const asJson = (at: string, body: unknown): Promise<Reply> =>
      post(at, JSON.stringify(body), 'application/json')
    await asJson('/access/users', { userid: 'eve@pve', enable: false })
    expect((await lab.get('/access/users/eve@pve')).data.enable).toBe(0)
    await asJson('/access/roles', { roleid: 'Two', privs: ['VM.Audit', 'VM.Clone'] })
    expect((await lab.get('/access/roles/Two')).data).toEqual({ 'VM.Audit': 1, 'VM.Clone': 1 })
  })

  test.each([
    ['{"a":1', `, or } expected while parsing object/hash, at character offset 6 (before "(end of string)")`],
    ['{"a" 1}', `':' expected, at character offset 5 (before "1}")`],
    ['{"a":1} x', `garbage after JSON object, at character offset 8 (before "x")`],
    [
      '["a',
      `unexpected end of string while parsing JSON string, at character offset 3 (before "(end of string)")`,
    ],
    ['[tru]', `'true' expected, at character offset 1 (before "tru]")`],
    [
      '',
      `malformed JSON string, neither tag, array, object, number, string or atom, at character offset 0 (before "(end of string)")`,
    ],
  ])('%j is no JSON: a plain text says why', async (body, fault) => {
    const text = `${fault} at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.`
    const reply = await json(body)
    expect(reply).toMatchObject({ status: 500, reason: text, body: `${text}\n` })
    expect(reply.headers['content-type']).toBeUndefined()
  })
})

describe('paths', () => {
  test('an encoded slash separates, and a value has no white space', async () => {
    expect((await lab.get('/access%2Fgroups')).status).toBe(200)
    expect((await lab.get('/access/groups/a%20b')).json.message).toBe(
      "Method 'GET /access/groups/a b' not implemented",
    )
  })

  test('a value in the path is not another one in the body', async () => {
    const body = 'groupid=h&comment=x'
    const headers = { ...root, 'content-type': 'application/x-www-form-urlencoded' }
    expect((await lab.call('PUT', '/access/groups/g', body, headers)).errors).toEqual({
      groupid: 'duplicate parameter (already defined in URI) with conflicting values!',
    })
  })

  test('what needs no login needs one with a slash behind it, and then is for root alone', async () => {
    expect((await lab.get('/access/domains', {})).status).toBe(200)
    expect((await lab.get('/access/domains/', {})).reason).toBe('No ticket')
    expect((await lab.get('/access/domains/', root)).status).toBe(200)
    expect((await lab.get('/access/domains/')).reason).toBe('Permission check failed')
  })

  test('a node in other letters is a host without a certificate', async () => {
    expect(await lab.get('/nodes/PVE/status')).toMatchObject({ status: 596, body: '' })
  })
})

describe('refusals', () => {
  test('an unknown operation has no line break behind its message', async () => {
    expect((await lab.get('/nope')).json.message).toBe("Method 'GET /nope' not implemented")
  })

  test.each(['PATCH', 'OPTIONS'])('%s is none of the methods', async method => {
    const reply = await lab.call(method, '/version', '')
    expect(reply).toMatchObject({ status: 501, reason: `method '${method}' not available`, body: '' })
  })

  test('a 401 has neither body nor type', async () => {
    const reply = await lab.get('/version', {})
    expect(reply).toMatchObject({ status: 401, reason: 'No ticket', body: '' })
    expect(reply.headers['content-type']).toBeUndefined()
  })

  test('a carriage return in a reason makes it a bad request', async () => {
    const reply = await lab.get('/access/groups/a%0Db')
    expect(reply).toMatchObject({ status: 400, reason: 'Bad Request', body: '' })
    const role = await lab.call('POST', '/access/users', { userid: 'a\rb' }, root)
    expect(role).toMatchObject({ status: 400, reason: 'Parameter verification failed.' })
    const user = await lab.call('POST', '/access/users', { userid: 'a\rb' })
    expect(user).toMatchObject({ status: 400, reason: 'Bad Request', body: '' })
  })

  test('an upload without its privilege has no body, and is refused before it is read', async () => {
    const login = { username: 'ann@pve', password: 'secret' }
    const { ticket } = (await lab.call('POST', '/access/ticket', login, {})).data
    const reply = await lab.call(
      'POST',
      '/nodes/pve/storage/local/upload',
      {},
      {
        cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}`,
      },
    )
    expect(reply).toMatchObject({
      status: 403,
      reason: 'Permission check failed (/storage/local, Datastore.AllocateTemplate)',
      body: '',
    })
  })
})
