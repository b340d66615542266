import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = '0f8c4a0e-6f0a-4d7e-9d39-2a4f5a1f9f10'
const ann = tokenHeader('ann@pve!all', SECRET)

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg: `
user:ann@pve:1:0::::::
token:ann@pve!all:0:0::
role:Seed:VM.Audit,VM.Monitor:
acl:1:/vms:ann@pve:Seed:
`,
    tokenSecrets: { 'ann@pve!all': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const reason = async (method: string, path: string, body = {}) => (await lab.call(method, path, body)).reason

test('a privilege this version has lost is lost to the role that names it', async () => {
  expect((await lab.get('/access/roles/Seed')).data).toEqual({ 'VM.Audit': 1 })
  expect((await lab.get('/access/permissions', ann)).data).toEqual({ '/vms': { 'VM.Audit': 1 } })
})

test('what was changed can be read in the format it began with', async () => {
  await lab.call('POST', '/pools', { poolid: 'lab', comment: 'a: b' })
  await lab.call('PUT', '/access/acl', {
    path: '/pool/lab',
    roles: 'PVEPoolUser',
    tokens: 'ann@pve!all',
    propagate: 0,
  })
  const lines = lab.server.admin.userCfg().split('\n')
  expect(lines).toEqual(
    expect.arrayContaining([
      'pool:lab:a%3A b:::',
      'acl:0:/pool/lab:ann@pve!all:PVEPoolUser:',
      'role:Seed:VM.Audit:',
    ]),
  )
})

describe('users and groups', () => {
  test('are made, joined, changed and removed', async () => {
    await lab.call('POST', '/access/groups', { groupid: 'team', comment: 'all of us' })
    const user = { userid: 'bob@pve', password: 'secret-8', groups: 'team', comment: 'new', expire: 0 }
    expect((await lab.call('POST', '/access/users', user)).body).toBe('{"data":null}')
    expect((await lab.get('/access/users/bob@pve')).data).toMatchObject({
      groups: ['team'],
      comment: 'new',
      enable: 1,
    })
    expect((await lab.get('/access/groups/team')).data).toEqual({
      members: ['bob@pve'],
      comment: 'all of us',
    })
    await lab.call('PUT', '/access/users/bob@pve', { enable: 0, groups: '' })
    expect((await lab.get('/access/users/bob@pve')).data).toMatchObject({
      groups: [],
      comment: 'new',
      enable: 0,
    })
    await lab.call('DELETE', '/access/users/bob@pve')
    expect(await reason('GET', '/access/users/bob@pve')).toBe("no such user ('bob@pve')")
  })

  test('a removed user takes its tokens and ACLs along', async () => {
    await lab.call('DELETE', '/access/users/ann@pve')
    expect((await lab.get('/access/acl')).data).toEqual([])
    expect((await lab.get('/version', ann)).status).toBe(401)
  })

  test('faults are named', async () => {
    expect(await reason('POST', '/access/users', { userid: 'ann@pve' })).toBe(
      "create user failed: user 'ann@pve' already exists",
    )
    expect(await reason('POST', '/access/users', { userid: 'bob@ldap', password: 'secret-8' })).toBe(
      "create user failed: auth domain 'ldap' does not exist",
    )
    expect(await reason('POST', '/access/users', { userid: 'bob@pve', groups: 'none' })).toBe(
      "create user failed: no such group 'none'",
    )
    expect(await reason('PUT', '/access/users/ann@pve', { groups: 'none' })).toBe(
      "update user failed: no such group 'none'",
    )
    expect((await lab.get('/access/users/bob@pve')).status).toBe(500)
    // Privileges are checked before parameters, and root@pam needs none.
    expect(await reason('POST', '/access/users', { userid: 'bob' })).toBe(
      "value 'bob' does not look like a valid user name",
    )
    const root = await lab.rootTicket()
    expect((await lab.call('POST', '/access/users', { userid: 'bob' }, root)).errors).toEqual({
      userid: "invalid format - value 'bob' does not look like a valid user name\n",
    })
  })

  test('a token sees nobody without a right to, not even its owner', async () => {
    const visible = async () =>
      (await lab.get('/access/users', ann)).data.map((user: { userid: string }) => user.userid)
    expect(await visible()).toEqual([])
    await lab.call('PUT', '/access/acl', { path: '/access/groups', roles: 'PVEUserAdmin', users: 'ann@pve' })
    expect(await visible()).toEqual(expect.arrayContaining(['root@pam', 'ann@pve']))
  })
})

describe('roles', () => {
  test('are made, extended, replaced and removed; built-in ones are not', async () => {
    await lab.call('POST', '/access/roles', { roleid: 'Own', privs: 'VM.Audit' })
    await lab.call('PUT', '/access/roles/Own', { privs: 'VM.Clone', append: 1 })
    expect((await lab.get('/access/roles/Own')).data).toEqual({ 'VM.Audit': 1, 'VM.Clone': 1 })
    await lab.call('PUT', '/access/roles/Own', { privs: 'VM.Backup' })
    expect((await lab.get('/access/roles/Own')).data).toEqual({ 'VM.Backup': 1 })
    expect(await reason('POST', '/access/roles', { roleid: 'Own' })).toBe(
      "create role failed: role 'Own' already exists",
    )
    await lab.call('DELETE', '/access/roles/Own')
    expect(await reason('GET', '/access/roles/Own')).toBe("role 'Own' does not exist")
    expect(await reason('PUT', '/access/roles/PVEAdmin', { privs: 'VM.Audit' })).toBe(
      "auto-generated role 'PVEAdmin' cannot be modified",
    )
    expect(await reason('DELETE', '/access/roles/PVEAdmin')).toBe(
      "auto-generated role 'PVEAdmin' cannot be deleted",
    )
    expect(await reason('PUT', '/access/roles/Own', { privs: 'VM.Audit' })).toBe(
      "update role failed: role 'Own' does not exist",
    )
    expect((await lab.call('POST', '/access/roles', { roleid: 'pveOwn' })).errors).toEqual({
      roleid: "cannot use role ID starting with the (case-insensitive) 'PVE' namespace",
    })
  })

  test('a removed one is gone from the ACLs', async () => {
    await lab.call('DELETE', '/access/roles/Seed')
    expect((await lab.get('/access/acl')).data).toEqual([])
  })
})

describe('ACLs', () => {
  const put = (body: Record<string, unknown>) => lab.call('PUT', '/access/acl', body)

  test('an entry given twice stands once, with the later propagation', async () => {
    await put({ path: '/vms/', roles: 'Seed', users: 'ann@pve', propagate: 0 })
    expect((await lab.get('/access/acl')).data).toEqual([
      { path: '/vms', propagate: 0, type: 'user', ugid: 'ann@pve', roleid: 'Seed' },
    ])
    await put({ path: '/vms', roles: 'Seed', users: 'ann@pve', delete: 1 })
    expect((await lab.get('/access/acl')).data).toEqual([])
  })

  test.each([
    [{ path: '/vms', roles: 'None', users: 'ann@pve' }, "role 'None' does not exist"],
    [{ path: '/vms', roles: 'Seed', users: 'none@pve' }, "user 'none@pve' does not exist"],
    [{ path: '/vms', roles: 'Seed', tokens: 'none@pve!none' }, "no such user ('none@pve')"],
    [{ path: '/vms', roles: 'Seed', tokens: 'ann@pve!none' }, "no such token 'none' for user 'ann@pve'"],
    [{ path: '/vms', roles: 'Seed', groups: 'none' }, "group 'none' does not exist"],
  ])('%j is refused', async (body, text) => {
    expect((await put(body)).reason).toBe(`ACL update failed: ${text}`)
  })

  test('are changed by who may change permissions there', async () => {
    const body = { path: '/vms/100', roles: 'Seed', users: 'ann@pve' }
    expect((await lab.call('PUT', '/access/acl', body, ann)).reason).toBe(
      'Permission check failed (/vms/100, Permissions.Modify|VM.Allocate)',
    )
    await put({ path: '/vms/100', roles: 'PVEVMAdmin', users: 'ann@pve' })
    expect((await lab.call('PUT', '/access/acl', body, ann)).status).toBe(200)
  })

  test('pass on what one has, unless one may change permissions everywhere below', async () => {
    await lab.call('POST', '/access/roles', { roleid: 'Owner', privs: 'VM.Allocate,VM.Audit' })
    await put({ path: '/vms/100', roles: 'Owner', users: 'ann@pve', propagate: 0 })
    const give = (body: object) =>
      lab.call('PUT', '/access/acl', { path: '/vms/100', users: 'ann@pve', ...body }, ann)
    const refused = 'ACL update failed: 400 Parameter verification failed.'
    expect((await give({ roles: 'PVEVMAdmin', propagate: 0 })).message).toBe(
      `${refused}\nrole: Cannot add role 'PVEVMAdmin' - requires 'Permissions.Modify' or superset of privileges.\n`,
    )
    expect((await give({ roles: 'Owner' })).message).toContain('propagated superset of privileges.')
    expect((await give({ roles: 'NoAccess', propagate: 0 })).message).toContain(
      "requires 'Permissions.Modify'\n",
    )
    expect((await give({ roles: 'Owner', propagate: 0 })).status).toBe(200)
    expect((await give({ roles: 'Owner', delete: 1 })).status).toBe(200)
  })

  test('can be taken from objects whose kind is not known any more', async () => {
    const body = { path: '/sdn/vnets/old', roles: 'Seed', users: 'ann@pve' }
    expect((await put(body)).errors).toEqual({ path: "invalid ACL path '/sdn/vnets/old'" })
    expect((await put({ ...body, delete: 1 })).status).toBe(200)
  })
})

describe('pools', () => {
  beforeEach(async () => {
    await lab.call('POST', '/pools', { poolid: 'lab', comment: 'for tests' })
    await lab.call('POST', '/pools', { poolid: 'other' })
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'web', pool: 'lab' })
  })
  const membersOf = async (pool: string) =>
    (await lab.get(`/pools/${pool}`)).data.members.map((member: { id: string }) => member.id)

  test('hold VMs and storages', async () => {
    await lab.call('PUT', '/pools/lab', { storage: 'tank' })
    expect(await membersOf('lab')).toEqual(['qemu/100', 'storage/pve/tank'])
    expect((await lab.get('/cluster/resources?type=vm')).data[0].pool).toBe('lab')
    expect((await lab.get('/pools?poolid=lab')).data).toEqual([
      expect.objectContaining({ poolid: 'lab', comment: 'for tests', members: expect.any(Array) }),
    ])
  })

  test('a VM is in one pool, and moves only when that is said', async () => {
    expect(await reason('PUT', '/pools/other', { vms: 100 })).toBe(
      "update pools failed: VM 100 belongs already to pool 'lab' and 'allow-move' is not set",
    )
    await lab.call('PUT', '/pools?poolid=other', { vms: 100, 'allow-move': 1 })
    expect([await membersOf('lab'), await membersOf('other')]).toEqual([[], ['qemu/100']])
    await lab.call('PUT', '/pools/other', { vms: 100, delete: 1 })
    expect(await membersOf('other')).toEqual([])
  })

  test('a change with one fault changes nothing', async () => {
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 101 })
    expect(await reason('PUT', '/pools/lab', { vms: '101,100', comment: 'x' })).toBe(
      'update pools failed: VM 100 is already a pool member',
    )
    expect((await lab.get('/pools/lab')).data).toMatchObject({
      comment: 'for tests',
      members: [{ vmid: 100 }],
    })
    expect(await reason('GET', '/pools/constructor')).toBe("pool 'constructor' does not exist")
  })

  test('only an empty one can go', async () => {
    expect(await reason('DELETE', '/pools/lab')).toBe(
      "delete pool failed: pool 'lab' is not empty (contains VM 100)",
    )
    await lab.task('DELETE', '/nodes/pve/qemu/100')
    expect(await reason('DELETE', '/pools/lab')).toBe('OK')
  })

  test("a pool's members are changed by who may change their permissions", async () => {
    await lab.call('PUT', '/access/acl', { path: '/pool/other', roles: 'PVEPoolAdmin', users: 'ann@pve' })
    expect((await lab.call('PUT', '/pools/other', { vms: 100, 'allow-move': 1 }, ann)).reason).toBe(
      'update pools failed: 403 Permission check failed (/vms/100, Permissions.Modify|VM.Allocate)',
    )
  })
})
