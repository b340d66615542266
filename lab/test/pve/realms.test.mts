import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

const path = '/access/domains'
const directory = {
  realm: 'corp',
  type: 'ldap',
  server1: '127.0.0.1',
  base_dn: 'dc=x',
  user_attr: 'uid',
  port: 1,
}
const openid = { realm: 'sso', type: 'openid', 'issuer-url': 'https://sso.example.com', 'client-id': 'pve' }

let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const reason = async (method: string, at: string, body?: Record<string, unknown>): Promise<string> =>
  (await lab.call(method, at, body)).reason

describe('realms', () => {
  test('are made, changed and deleted', async () => {
    expect(await reason('POST', path, { ...directory, verify: 1, comment: 'ours' })).toBe('OK')
    const { digest, ...made } = (await lab.get(`${path}/corp`)).data
    expect(made).toEqual({
      type: 'ldap',
      server1: '127.0.0.1',
      base_dn: 'dc=x',
      user_attr: 'uid',
      port: 1,
      verify: 1,
      comment: 'ours',
    })
    expect(digest).toMatch(/^[0-9a-f]{40}$/)
    expect(await reason('PUT', `${path}/corp`, { filter: '(a=b)', delete: 'comment', digest })).toBe('OK')
    const { digest: _, ...changed } = (await lab.get(`${path}/corp`)).data
    expect(changed).toMatchObject({ filter: '(a=b)' })
    expect(changed).not.toHaveProperty('comment')
    expect(await reason('PUT', `${path}/corp`, { port: 2, digest })).toBe(
      'update auth server failed: detected modified configuration - file changed by other user? Try again.',
    )
    await lab.call('DELETE', `${path}/corp`)
    expect(await reason('GET', `${path}/corp`)).toBe("domain 'corp' does not exist")
  })

  test('are listed for everybody, one of them as the default', async () => {
    await lab.call('POST', path, { ...directory, default: 1 })
    await lab.call('POST', path, { ...openid, default: 1 })
    const { data } = await lab.get(path, {})
    expect(data).toHaveLength(4)
    expect(data).toEqual(
      expect.arrayContaining([
        { realm: 'corp', type: 'ldap' },
        { realm: 'sso', type: 'openid', default: 1 },
        { realm: 'pam', type: 'pam', comment: 'Linux PAM standard authentication' },
      ]),
    )
  })

  test('keep no password', async () => {
    await lab.call('POST', path, { ...directory, bind_dn: 'cn=x', password: 'hidden' })
    expect((await lab.get(`${path}/corp`)).body).not.toContain('hidden')
  })

  test('have the options of their type', async () => {
    const { server1: _, ...without } = directory
    expect(await reason('POST', path, without)).toBe(
      "add auth server failed: missing value for required option 'server1'",
    )
    expect(await reason('POST', path, { ...directory, 'client-id': 'x' })).toBe(
      "add auth server failed: unexpected property 'client-id'",
    )
    expect(await reason('POST', path, { ...openid, type: 'pve' })).toBe(
      "add auth server failed: unable to create builtin type 'pve'",
    )
    expect((await lab.call('POST', path, { ...openid, realm: '1' })).errors).toEqual({
      realm: 'invalid format - value does not look like a valid realm\n',
    })
    expect(await reason('PUT', `${path}/pve`, {})).toBe('update auth server failed: no options specified')
  })

  test('remember what to sync, in the words of today', async () => {
    await lab.call('POST', path, { ...directory, 'sync-defaults-options': 'scope=users,full=1,purge=1' })
    expect((await lab.get(`${path}/corp`)).data['sync-defaults-options']).toBe(
      'remove-vanished=entry;properties;acl,scope=users',
    )
  })

  test('a sync is a task, which fails where no server answers', async () => {
    await lab.call('POST', path, directory)
    expect((await lab.call('POST', `${path}/corp/sync`)).errors).toEqual({
      scope: 'Not passed as parameter and not defined in realm default sync options.',
    })
    expect(await lab.task('POST', `${path}/corp/sync`, { scope: 'both' })).toBe('Connection refused')
    expect(await reason('POST', `${path}/pve/sync`, { scope: 'both' })).toBe(
      "Cannot sync realm type 'pve'! Only LDAP/AD realms can be synced.",
    )
  })
})

describe('users of realms', () => {
  test('have the type of their realm, and a password only where the realm keeps it', async () => {
    await lab.call('POST', path, openid)
    expect(await reason('POST', '/access/users', { userid: 'eve@sso', password: 'secret-8' })).toBe(
      "create user failed: can't set password on auth type 'openid'",
    )
    expect(await reason('POST', '/access/users', { userid: 'eve@sso' })).toBe('OK')
    const users = (await lab.get('/access/users')).data as { userid: string }[]
    expect(users.find(({ userid }) => userid === 'eve@sso')).toMatchObject({ 'realm-type': 'openid' })
    const login = { username: 'eve@sso', password: 'secret-8' }
    expect((await lab.call('POST', '/access/ticket', login, {})).status).toBe(401)
  })

  test('a user of pam is one of the system', async () => {
    expect(await reason('POST', '/access/users', { userid: 'joe@pam', password: 'secret-8' })).toBe(
      "create user failed: change password failed: user 'joe' does not exist",
    )
  })
})

describe('second factors', () => {
  test.each([
    ['/access/tfa', []],
    ['/access/tfa/root@pam', []],
    ['/access/users/root@pam/tfa', {}],
    ['/access/users/root@pam/tfa?multiple=1', { user: [] }],
  ])('%s has none', async (at, expected) => {
    expect((await lab.get(at)).data).toEqual(expected)
  })

  test('one that is not there is a 404', async () => {
    expect(await lab.get('/access/tfa/root@pam/x')).toMatchObject({
      status: 404,
      reason: "No such tfa entry 'x'",
    })
  })
})
