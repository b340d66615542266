import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTicket } from '../../pve/access/ticket.mts'
import { ROOT_PASSWORD, startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = '0f8c4a0e-6f0a-4d7e-9d39-2a4f5a1f9f10'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg: `
user:ann@pve:1:0::::::
user:gone@pve:0:0::::::
user:late@pve:1:1000000000::::::
token:ann@pve!ci:0:0::
token:ann@pve!old:1000000000:0::
token:gone@pve!ci:0:0::
`,
    passwords: { 'ann@pve': 'secret', 'gone@pve': 'secret', 'late@pve': 'secret' },
    tokenSecrets: { 'ann@pve!ci': SECRET, 'ann@pve!old': SECRET, 'gone@pve!ci': SECRET },
  })
})
afterAll(() => lab.close())

const login = (username: string, password: string) =>
  lab.call('POST', '/access/ticket', { username, password }, {})

describe('tickets', () => {
  test('a password gives a ticket and a CSRF token', async () => {
    const { status, data } = await login('root@pam', ROOT_PASSWORD)
    expect(status).toBe(200)
    expect(data).toMatchObject({ username: 'root@pam', ticket: expect.stringMatching(/^PVE:root@pam:/) })
  })

  test('the login may be JSON, and name the realm apart', async () => {
    const body = JSON.stringify({ username: 'root', realm: 'pam', password: ROOT_PASSWORD })
    expect((await lab.call('POST', '/access/ticket', body, {})).data.username).toBe('root@pam')
  })

  test('they are taken from the cookie and from the header', async () => {
    const { ticket } = (await login('root@pam', ROOT_PASSWORD)).data
    const inCookie = { cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}` }
    expect((await lab.get('/version', inCookie)).status).toBe(200)
    expect((await lab.get('/version', { authorization: `PVEAuthCookie=${ticket}` })).status).toBe(200)
  })

  test('a ticket renews itself as the password, for its own user only', async () => {
    const { ticket } = (await login('ann@pve', 'secret')).data
    expect((await login('ann@pve', ticket)).status).toBe(200)
    expect((await login('root@pam', ticket)).status).toBe(401)
  })

  test('writing needs the CSRF token that belongs to the ticket', async () => {
    const root = (await login('root@pam', ROOT_PASSWORD)).data
    const ann = (await login('ann@pve', 'secret')).data
    const cookie = { cookie: `PVEAuthCookie=${encodeURIComponent(root.ticket)}` }
    const post = (csrf?: string) =>
      lab.call('POST', '/pools', { poolid: 'p1' }, { ...cookie, ...(csrf && { CSRFPreventionToken: csrf }) })
    expect(await post()).toMatchObject({ status: 401, reason: 'Permission denied - invalid csrf token' })
    expect(await post(ann.CSRFPreventionToken)).toMatchObject({ status: 401 })
    expect(await post(root.CSRFPreventionToken)).toMatchObject({ status: 200 })
  })

  test('a forged one and one of three hours ago are refused', async () => {
    const now = Math.floor(Date.now() / 1000)
    const key = 'not the key of this server'
    for (const ticket of [
      createTicket(key, 'root@pam', now),
      createTicket(key, 'root@pam', now - 3 * 3600),
      'PVE:x',
    ])
      expect(await lab.get('/version', { authorization: `PVEAuthCookie=${ticket}` })).toMatchObject({
        status: 401,
        reason: 'Authentication failed!',
        body: '',
      })
  })

  test.each([
    ['root@pam', 'wrong'],
    ['nobody@pve', 'secret'],
    ['gone@pve', 'secret'],
    ['late@pve', 'secret'],
  ])('%s with the password %s is no login', async (username, password) => {
    expect(await login(username, password)).toMatchObject({
      status: 401,
      reason: 'authentication failure',
      json: { data: null, message: 'authentication failure\n' },
    })
  })
})

describe('API tokens', () => {
  const whoami = (id: string, secret: string) => lab.get('/version', tokenHeader(id, secret))

  test('the right secret is enough, also for writing', async () => {
    expect((await whoami('ann@pve!ci', SECRET)).status).toBe(200)
    const write = await lab.call('POST', '/pools', { poolid: 'x' }, tokenHeader('ann@pve!ci', SECRET))
    expect(write.reason).toBe('Permission check failed (/pool/x, Pool.Allocate)')
  })

  test.each([
    ['a wrong secret', 'ann@pve!ci', 'ffffffff-0000-0000-0000-000000000000'],
    ['an expired token', 'ann@pve!old', SECRET],
    ['a token of a disabled user', 'gone@pve!ci', SECRET],
    ['a token nobody made', 'ann@pve!none', SECRET],
  ])('%s is a 401 without a body', async (_, id, secret) => {
    expect(await whoami(id, secret)).toMatchObject({
      status: 401,
      reason: 'Authentication failed!',
      body: '',
    })
  })

  test('a password is changed with a ticket only', async () => {
    const body = { userid: 'ann@pve', password: 'x' }
    expect((await lab.call('PUT', '/access/password', body)).reason).toBe(
      "Permission check failed (URI '/access/password' not available with API token, need proper ticket.",
    )
  })

  test('one that was made, changed and removed', async () => {
    const path = '/access/users/ann@pve/token/fresh'
    const { data } = await lab.call('POST', path, { privsep: 0, comment: 'x' })
    expect(data).toMatchObject({ 'full-tokenid': 'ann@pve!fresh', info: { privsep: '0', comment: 'x' } })
    expect((await whoami('ann@pve!fresh', data.value)).status).toBe(200)
    expect((await lab.call('PUT', path, { expire: 1000000000 })).data.expire).toBe('1000000000')
    expect((await whoami('ann@pve!fresh', data.value)).status).toBe(401)
    expect((await lab.call('POST', path, {})).errors).toEqual({ tokenid: 'Token already exists.' })
    await lab.call('DELETE', path)
    expect((await lab.get(path)).reason).toBe("no such token 'fresh' for user 'ann@pve'")
  })
})

describe('without a login', () => {
  test('there is no ticket', async () => {
    expect(await lab.get('/version', {})).toMatchObject({ status: 401, reason: 'No ticket', body: '' })
  })

  test('not even to learn that a path does not exist', async () => {
    expect((await lab.get('/nope', {})).status).toBe(401)
  })

  test('the realms are told', async () => {
    expect((await lab.get('/access/domains', {})).data).toEqual([
      expect.objectContaining({ realm: 'pam' }),
      expect.objectContaining({ realm: 'pve' }),
    ])
  })
})

test('a user changes its own password by giving the old one', async () => {
  const { ticket, CSRFPreventionToken } = (await login('ann@pve', 'secret')).data
  const headers = { cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}`, CSRFPreventionToken }
  const change = (confirmation: string) =>
    lab.call(
      'PUT',
      '/access/password',
      { userid: 'ann@pve', password: 'changed-8', 'confirmation-password': confirmation },
      headers,
    )
  expect((await change('wrong')).reason).toBe('invalid credentials')
  expect((await change('secret')).status).toBe(200)
  expect((await login('ann@pve', 'secret')).status).toBe(401)
  expect((await login('ann@pve', 'changed-8')).status).toBe(200)
})
