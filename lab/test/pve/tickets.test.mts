/** Tickets by a clock that the tests move: lifetime, renewal, CSRF tokens, users that are locked out. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Headers, type Reply, ROOT_PASSWORD, startLab, type TestLab } from './client.mts'

const HOUR = 3600
const START = Date.UTC(2026, 0, 1) / 1000

let lab: TestLab
let seconds = START
beforeAll(async () => {
  lab = await startLab({
    now: () => seconds * 1000,
    userCfg: `user:ann@pve:1:0::::::\nuser:bob@pve:1:0::::::\nuser:tmp@pve:1:${START + HOUR}::::::\n`,
    passwords: { 'ann@pve': 'secret', 'bob@pve': 'secret', 'tmp@pve': 'secret' },
  })
})
afterAll(() => lab.close())
beforeEach(() => {
  seconds = START
})

interface Login {
  ticket: string
  CSRFPreventionToken: string
}

const tryLogin = (username: string, password: string) =>
  lab.call('POST', '/access/ticket', { username, password }, {})
const login = async (username: string, password = 'secret'): Promise<Login> =>
  (await tryLogin(username, password)).data
const cookie = ({ ticket }: Login): Headers => ({ cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}` })
const read = (held: Login) => lab.get('/version', cookie(held))
const write = (held: Login, csrf = held.CSRFPreventionToken): Promise<Reply> =>
  lab.call('POST', '/pools', { poolid: 'p' }, { ...cookie(held), CSRFPreventionToken: csrf })

const REFUSED = { status: 401, reason: 'Authentication failed!', body: '' }
const NO_CSRF = { status: 401, reason: 'Permission denied - invalid csrf token', body: '' }
/** Ann may not make pools: a 403 says that her login was good. */
const LET_IN = { status: 403 }

describe('lifetime', () => {
  test.each([
    ['at once', 0, true],
    ['a second before two hours', 2 * HOUR - 1, true],
    ['after two hours', 2 * HOUR, false],
    ['four minutes and 59 seconds before it was made', -299, true],
    ['five minutes before it was made', -300, false],
  ])('%s', async (_, later, isGood) => {
    const ann = await login('ann@pve')
    seconds += later
    expect(await read(ann)).toMatchObject(isGood ? { status: 200 } : REFUSED)
    expect(await write(ann)).toMatchObject(isGood ? LET_IN : REFUSED)
  })

  test('API tokens know no hours, only their own date', async () => {
    seconds += 1000 * HOUR
    expect((await lab.get('/version')).status).toBe(200)
  })
})

describe('renewal', () => {
  test('the ticket as the password gives another two hours, over and over', async () => {
    let held = await login('ann@pve')
    for (let round = 0; round < 4; round++) {
      seconds += 1.5 * HOUR
      held = await login('ann@pve', held.ticket)
    }
    expect((await read(held)).status).toBe(200)
  })

  test('an expired one renews nothing', async () => {
    const { ticket } = await login('ann@pve')
    seconds += 2 * HOUR
    expect(await tryLogin('ann@pve', ticket)).toMatchObject({ status: 401, reason: 'authentication failure' })
  })

  test("another user's does not, but one of root gets anybody's", async () => {
    const ann = await login('ann@pve')
    const root = await login('root@pam', ROOT_PASSWORD)
    expect((await tryLogin('bob@pve', ann.ticket)).status).toBe(401)
    expect((await tryLogin('root@pam', ann.ticket)).status).toBe(401)
    expect((await tryLogin('bob@pve', root.ticket)).data.username).toBe('bob@pve')
  })

  test('a changed ticket is none', async () => {
    const { ticket } = await login('ann@pve')
    for (const forged of [ticket.replace('ann@', 'root@'), ticket.replace(/.$/, ''), `${ticket} `]) {
      expect((await tryLogin('ann@pve', forged)).status).toBe(401)
      expect((await read({ ticket: forged, CSRFPreventionToken: '' })).status).toBe(401)
    }
  })
})

describe('the CSRF token', () => {
  test.each([
    ['none', ''],
    ['no such thing', 'nonsense'],
    ['another time', 'FFFFFFFF:c2ln'],
  ])('%s is refused', async (_, token) => {
    expect(await write(await login('ann@pve'), token)).toMatchObject(NO_CSRF)
  })

  test("another user's is refused", async () => {
    const [ann, bob] = [await login('ann@pve'), await login('bob@pve')]
    expect(await write(ann, bob.CSRFPreventionToken)).toMatchObject(NO_CSRF)
  })

  test('is bound to the user: the old one goes with the renewed ticket, until it is too old itself', async () => {
    const old = await login('ann@pve')
    seconds += 1.5 * HOUR
    const renewed = await login('ann@pve', old.ticket)
    expect(await write(renewed, old.CSRFPreventionToken)).toMatchObject(LET_IN)
    seconds += 0.5 * HOUR
    expect(await write(renewed, old.CSRFPreventionToken)).toMatchObject(NO_CSRF)
    expect(await write(renewed)).toMatchObject(LET_IN)
  })

  test('is not asked for by reads, nor by an upload', async () => {
    const ann = await login('ann@pve')
    expect((await read(ann)).status).toBe(200)
    const upload = await lab.call('POST', '/nodes/pve/storage/local/upload', {}, cookie(ann))
    expect(upload.reason).not.toMatch(/csrf/)
  })
})

describe('users that are locked out', () => {
  const asRoot = (body: Record<string, unknown>) => lab.call('PUT', '/access/users/bob@pve', body)

  test('a disabled one at once, with the ticket in hand, and in again when enabled', async () => {
    const bob = await login('bob@pve')
    await asRoot({ enable: 0 })
    expect(await read(bob)).toMatchObject(REFUSED)
    expect((await tryLogin('bob@pve', bob.ticket)).status).toBe(401)
    expect((await tryLogin('bob@pve', 'secret')).status).toBe(401)
    await asRoot({ enable: 1 })
    expect((await read(bob)).status).toBe(200)
  })

  test('an expired one when its time has come', async () => {
    const tmp = await login('tmp@pve')
    seconds += HOUR
    expect((await read(tmp)).status).toBe(200)
    seconds += 1
    expect(await read(tmp)).toMatchObject(REFUSED)
    expect((await tryLogin('tmp@pve', 'secret')).status).toBe(401)
  })

  test('one that was removed', async () => {
    await lab.call('POST', '/access/users', { userid: 'gone@pve', password: 'secret-8' })
    const gone = await login('gone@pve', 'secret-8')
    await lab.call('DELETE', '/access/users/gone@pve')
    expect(await read(gone)).toMatchObject(REFUSED)
  })
})

test('the cookie goes before the header, and a ticket before an API token', async () => {
  const ann = await login('ann@pve')
  const both = { ...lab.rootHeaders, ...cookie(ann) }
  expect((await lab.get('/access/permissions', both)).data).toEqual({})
  const broken = { ...cookie({ ...ann, ticket: 'PVE:nobody' }), authorization: `PVEAuthCookie=${ann.ticket}` }
  expect(await lab.get('/version', broken)).toMatchObject(REFUSED)
})
