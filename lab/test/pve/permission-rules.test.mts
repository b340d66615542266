/** Rules that Proxmox puts together: who may change whom, and what a refusal says (PVE/RPCEnvironment.pm). */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Headers, startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = '0f8c4a0e-6f0a-4d7e-9d39-2a4f5a1f9f10'
const ann = tokenHeader('ann@pve!all', SECRET)
const bob = tokenHeader('bob@pve!all', SECRET)

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg: `
user:ann@pve:1:0::::::
user:bob@pve:1:0::::::
token:ann@pve!all:0:0::
token:bob@pve!all:0:0::
group:ours:bob@pve::
group:theirs:::
role:Users:User.Modify:
role:Both:User.Modify,Realm.AllocateUser:
role:Guests:VM.Audit,VM.Allocate,Pool.Allocate:
`,
    tokenSecrets: { 'ann@pve!all': SECRET, 'bob@pve!all': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const grant = async (path: string, roles: string, users = 'ann@pve'): Promise<void> => {
  expect((await lab.call('PUT', '/access/acl', { path, roles, users })).status).toBe(200)
}
const reason = async (
  method: string,
  path: string,
  body: Record<string, unknown> = {},
  headers: Headers = ann,
): Promise<string> => (await lab.call(method, path, body, headers)).reason

describe('users', () => {
  test('a new one needs the realm, and each group that it joins', async () => {
    const make = (groups?: string) =>
      reason('POST', '/access/users', { userid: 'new@pve', ...(groups && { groups }) })
    expect(await make()).toBe('Permission check failed (/access/realm/pve, Realm.AllocateUser)')
    await grant('/access/realm/pve', 'Both')
    expect(await make()).toBe('Permission check failed (/access/groups, User.Modify)')
    await grant('/access/groups/ours', 'Users')
    expect(await make()).toBe('Permission check failed (/access/groups, User.Modify)')
    expect(await make('ours,theirs')).toBe('Permission check failed (/access/groups/theirs, User.Modify)')
    expect(await make('ours')).toBe('OK')
  })

  test('one is changed by who may change a group of it, and names such a group', async () => {
    await grant('/access/groups/ours', 'Users')
    const change = (body: Record<string, unknown>) => reason('PUT', '/access/users/bob@pve', body)
    expect(await change({ comment: 'x' })).toBe('Permission check failed (/access/groups, User.Modify)')
    expect(await change({ comment: 'x', groups: 'ours' })).toBe('OK')
    expect(await reason('PUT', '/access/users/ann@pve', { groups: 'ours' })).toBe('Permission check failed')
  })

  test('an unknown one is named before a privilege is missed, and root may delete it', async () => {
    expect(await reason('GET', '/access/users/none@pve')).toBe("no such user ('none@pve')")
    expect(await reason('GET', '/access/users/none@pve/token')).toBe('Permission check failed')
    const root = await lab.rootTicket()
    expect(await reason('DELETE', '/access/users/none@pve', {}, root)).toBe('OK')
    expect(await reason('DELETE', '/access/users/none@pve', {}, lab.rootHeaders)).toBe(
      "no such user ('none@pve')",
    )
  })

  test('a rule of several says what it lacks, even where another could be met', async () => {
    const body = { userid: 'bob@pve', password: 'secret-8' }
    const { ticket, CSRFPreventionToken } = await ticketOf('ann@pve')
    const asAnn = { cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}`, CSRFPreventionToken }
    expect(await reason('PUT', '/access/password', body, asAnn)).toBe(
      'Permission check failed (/access/realm/pve, Realm.AllocateUser)',
    )
  })

  test('root@pam comes back without its tokens', async () => {
    const root = await lab.rootTicket()
    expect(await reason('DELETE', '/access/users/root@pam', {}, root)).toBe('OK')
    expect((await lab.get('/version', lab.rootHeaders)).status).toBe(401)
    expect((await lab.get('/access/users/root@pam', root)).data).toMatchObject({ enable: 1, tokens: null })
  })
})

/** Gives a user a password and logs in. */
async function ticketOf(username: string): Promise<{ ticket: string; CSRFPreventionToken: string }> {
  const root = await lab.rootTicket()
  await lab.call('PUT', '/access/password', { userid: username, password: 'secret-8' }, root)
  return (await lab.call('POST', '/access/ticket', { username, password: 'secret-8' }, {})).data
}

describe('paths', () => {
  test('a missing parameter is a dash in the path', async () => {
    expect(await reason('POST', '/pools')).toBe('Permission check failed (/pool/-, Pool.Allocate)')
  })

  test('the ACL of a path is for who may change what lies there, not of the top level', async () => {
    await grant('/vms', 'Guests')
    expect((await lab.get('/access/acl', ann)).data).toEqual([])
    await grant('/vms/100', 'Guests')
    expect((await lab.get('/access/acl', ann)).data).toEqual([expect.objectContaining({ path: '/vms/100' })])
    expect(await reason('PUT', '/access/acl', { path: '/vms', roles: 'Guests', users: 'bob@pve' })).toBe(
      'Permission check failed (/vms, Permissions.Modify)',
    )
    expect(await reason('PUT', '/access/acl', { path: '/a b', roles: 'Guests', users: 'bob@pve' })).toBe(
      'Parameter verification failed.',
    )
  })

  test('an entry of root@pam is not written', async () => {
    await grant('/', 'Guests', 'root@pam')
    expect((await lab.get('/access/acl')).data).toEqual([])
  })
})

describe('GET /access/permissions', () => {
  const ask = async (query: string, headers: Headers = lab.rootHeaders): Promise<unknown> =>
    (await lab.get(`/access/permissions?${query}`, headers)).data

  test('lists what lies between an entry and the root where something is inherited', async () => {
    await grant('/', 'Users')
    await grant('/mapping/pci/gpu', 'Users', 'bob@pve')
    expect(Object.keys((await ask('userid=ann@pve')) as object)).toEqual(
      expect.arrayContaining(['/', '/mapping', '/mapping/pci', '/mapping/pci/gpu']),
    )
    expect(await ask('userid=bob@pve')).toEqual({ '/mapping/pci/gpu': { 'User.Modify': 1 } })
  })

  test('answers for a path as it was asked, and without a slash not from the root', async () => {
    await grant('/', 'Users')
    expect(await ask('userid=ann@pve&path=/vms/')).toEqual({ '/vms/': { 'User.Modify': 1 } })
    expect(await ask('userid=ann@pve&path=vms')).toEqual({ vms: {} })
    expect(await ask('userid=ann@pve&path=//')).toEqual({ '//': {} })
    expect(await ask('userid=none@pve')).toEqual({})
    expect((await lab.get('/access/permissions?userid=none')).errors).toEqual({
      userid: 'value does not match the regex pattern',
    })
  })
})

describe('nested pools', () => {
  test('inherit from the pools above, which cannot go before them', async () => {
    await grant('/pool/a', 'Guests')
    for (const poolid of ['a', 'a/b', 'a/b/c']) expect(await reason('POST', '/pools', { poolid })).toBe('OK')
    expect(await reason('PUT', '/pools', { poolid: 'a/b/c', comment: ' deep ' })).toBe('OK')
    expect((await lab.get('/pools?poolid=a%2Fb%2Fc', bob)).data).toEqual([
      { poolid: 'a/b/c', comment: 'deep', members: [] },
    ])
    expect(await reason('DELETE', '/pools?poolid=a/b')).toBe(
      "delete pool failed: pool 'a/b' is not empty (contains pool 'a/b/c')",
    )
    for (const poolid of ['a/b/c', 'a/b', 'a'])
      expect(await reason('DELETE', `/pools?poolid=${poolid}`)).toBe('OK')
    expect((await lab.get('/access/acl')).data).toEqual([])
  })

  test.each([
    ['x/y', "create pool failed: parent 'x' of pool 'x/y' does not exist"],
    ['1', 'create pool failed: pool name must start with a letter'],
  ])('%s is refused', async (poolid, message) => {
    expect(await reason('POST', '/pools', { poolid }, lab.rootHeaders)).toBe(message)
  })

  test.each([
    ['a/b/c/d', "invalid format - pool name 'a/b/c/d' nested too deeply (max levels = 3)\n"],
    ['a//b', "invalid format - pool name 'a//b' contains invalid characters\n"],
  ])('%s is no name', async (poolid, fault) => {
    expect((await lab.call('POST', '/pools', { poolid })).errors).toEqual({ poolid: fault })
  })
})
