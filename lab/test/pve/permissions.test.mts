import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Headers, startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = '0f8c4a0e-6f0a-4d7e-9d39-2a4f5a1f9f10'
const ann = tokenHeader('ann@pve!all', SECRET)
const annSeparated = tokenHeader('ann@pve!sep', SECRET)
const bob = tokenHeader('bob@pve!all', SECRET)

const USERS = `
user:ann@pve:1:0::::::
user:bob@pve:1:0::::::
token:ann@pve!all:0:0::
token:ann@pve!sep:0:1::
token:bob@pve!all:0:0::
pool:lab:::
`
const tokenSecrets = { 'ann@pve!all': SECRET, 'ann@pve!sep': SECRET, 'bob@pve!all': SECRET }

const start = (version: 8 | 9) => startLab({ version, userCfg: USERS, tokenSecrets })

let lab: TestLab
beforeAll(async () => {
  lab = await start(9)
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  await lab.task('POST', '/nodes/pve/qemu', {
    vmid: 100,
    name: 'base',
    scsi0: 'tank:1',
    net0: 'virtio,bridge=vmbr0',
    agent: 1,
  })
})

/** Gives a user privileges on a path, by a role of their own. */
async function grant(path: string, privileges: string, user = 'ann@pve') {
  const roleid = `R${path.replace(/\W/g, '-')}-${user.split('@')[0]}`
  await lab.call('POST', '/access/roles', { roleid, privs: privileges })
  const given = await lab.call('PUT', '/access/acl', { path, roles: roleid, users: user })
  expect(given.status).toBe(200)
}

const config = '/nodes/pve/qemu/100/config'

test('a bridge is listed for who may use one of its VLANs', async () => {
  const bridges = async () => (await lab.get('/nodes/pve/network?type=any_bridge', ann)).data.length
  expect(await bridges()).toBe(0)
  await grant('/sdn/zones/localnetwork/vmbr0/20', 'SDN.Use')
  expect(await bridges()).toBe(1)
})

test('space on a storage shows it in the lists of storages, but not among the resources of the cluster', async () => {
  const ids = async (path: string) =>
    (await lab.get(path, ann)).data.map(({ storage }: { storage: string }) => storage)
  await grant('/storage/tank', 'Datastore.AllocateSpace')
  expect(await ids('/nodes/pve/storage')).toEqual(['tank'])
  expect(await ids('/cluster/resources?type=storage')).toEqual([])
  await grant('/storage/local', 'Datastore.Audit')
  expect(await ids('/cluster/resources?type=storage')).toEqual(['local'])
})

describe('refusals', () => {
  test('name the path and what is missing, in the status line and in the body', async () => {
    expect(await lab.get('/nodes/pve/qemu/100/agent/network-get-interfaces', ann)).toMatchObject({
      status: 403,
      reason: 'Permission check failed (/vms/100, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)',
      json: {
        data: null,
        message: 'Permission check failed (/vms/100, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)\n',
      },
    })
  })

  test('come before existence: a missing VM is 403 to one, 500 to root', async () => {
    expect((await lab.get('/nodes/pve/qemu/999/config', ann)).reason).toBe(
      'Permission check failed (/vms/999, VM.Audit)',
    )
    expect(await lab.get('/nodes/pve/qemu/999/config')).toMatchObject({
      status: 500,
      reason: "Configuration file 'nodes/pve/qemu-server/999.conf' does not exist",
    })
  })

  test('come before parameters', async () => {
    expect((await lab.call('POST', '/nodes/pve/qemu/100/status/start', { nonsense: 1 }, ann)).status).toBe(
      403,
    )
    expect((await lab.call('POST', '/nodes/pve/qemu/100/status/start', { nonsense: 1 })).status).toBe(400)
  })

  test('name the first of several that are all needed', async () => {
    await grant('/vms/100', 'VM.Config.Cloudinit')
    const reply = await lab.call('PUT', config, { ide2: 'tank:cloudinit' }, ann)
    expect(reply.reason).toBe('Permission check failed (/vms/100, VM.Config.CDROM)')
  })
})

describe('config changes', () => {
  test.each([
    ['VM.Config.CPU', { cores: 2 }],
    ['VM.Config.Memory', { memory: 1024 }],
    ['VM.Config.Options', { name: 'other' }],
    ['VM.Config.HWType', { scsihw: 'virtio-scsi-pci' }],
    ['VM.Config.Disk', { boot: 'order=scsi0' }],
    ['VM.Config.Cloudinit', { ciuser: 'ann' }],
    ['VM.Config.Network', { ipconfig0: 'ip=dhcp' }],
    ['VM.Config.CDROM', { ide2: 'none,media=cdrom' }],
  ])('%s allows %j and nothing else does', async (privilege, change) => {
    const needed =
      'ciuser' in change || 'ipconfig0' in change ? 'VM.Config.Cloudinit|VM.Config.Network' : privilege
    const other = privilege === 'VM.Config.CPU' ? 'VM.Config.Memory' : 'VM.Config.CPU'
    await grant('/vms/100', other)
    const refused = await lab.call('PUT', config, change, ann)
    expect(refused.reason).toBe(`Permission check failed (/vms/100, ${needed})`)
    await grant('/vms', privilege, 'bob@pve')
    expect((await lab.call('PUT', config, change, bob)).status).toBe(200)
  })

  test('args is for root alone, and not for its token', async () => {
    await grant('/', 'VM.Config.Options,VM.Config.HWType')
    const reply = await lab.call('PUT', config, { args: '-s' }, ann)
    expect(reply).toMatchObject({ status: 500, reason: "only root can set 'args' config" })
  })

  test('a disk needs space on its storage, a network card the bridge', async () => {
    await grant('/vms/100', 'VM.Config.Disk,VM.Config.Network')
    expect((await lab.call('PUT', config, { scsi1: 'tank:1' }, ann)).reason).toBe(
      'Permission check failed (/storage/tank, Datastore.AllocateSpace)',
    )
    expect((await lab.call('PUT', config, { net1: 'virtio,bridge=vmbr0,tag=5' }, ann)).reason).toBe(
      'Permission check failed (/sdn/zones/localnetwork/vmbr0/5, SDN.Use)',
    )
    await grant('/storage/tank', 'Datastore.AllocateSpace')
    await grant('/sdn/zones/localnetwork', 'SDN.Use')
    const both = { scsi1: 'tank:1', net1: 'virtio,bridge=vmbr0,tag=5' }
    expect((await lab.call('PUT', config, both, ann)).status).toBe(200)
  })

  test('an option is removed by who may set it', async () => {
    await grant('/vms/100', 'VM.Config.CPU')
    const reply = await lab.call('PUT', config, { delete: 'scsi0' }, ann)
    expect(reply.reason).toBe('Permission check failed (/vms/100, VM.Config.Disk)')
  })
})

describe('cloning', () => {
  const clone = (headers: Headers, more = {}) =>
    lab.call('POST', '/nodes/pve/qemu/100/clone', { newid: 101, full: 1, ...more }, headers)

  test('asks in turn for the source, the target, the storage and the bridge', async () => {
    expect((await clone(ann)).reason).toBe('Permission check failed (/vms/100, VM.Clone)')
    await grant('/vms/100', 'VM.Clone')
    expect((await clone(ann)).reason).toBe('Permission check failed')
    await grant('/vms/101', 'VM.Allocate')
    expect((await clone(ann)).reason).toBe('Permission check failed (/storage/tank, Datastore.AllocateSpace)')
    await grant('/storage/tank', 'Datastore.AllocateSpace')
    expect((await clone(ann)).reason).toBe('Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)')
    await grant('/sdn/zones', 'SDN.Use')
    expect((await clone(ann)).status).toBe(200)
  })

  test('into a pool the right on the pool is enough', async () => {
    for (const [path, privilege] of [
      ['/vms/100', 'VM.Clone'],
      ['/pool/lab', 'VM.Allocate'],
      ['/storage/tank', 'Datastore.AllocateSpace'],
      ['/sdn/zones', 'SDN.Use'],
    ] as const)
      await grant(path, privilege)
    expect((await clone(ann, { pool: 'lab' })).status).toBe(200)
    await lab.server.admin.settled()
    const members = (await lab.get('/pools/lab')).data.members
    expect(members.map((member: { vmid: number }) => member.vmid)).toEqual([101])
  })
})

describe('listings show what one may see', () => {
  test('VMs with VM.Audit', async () => {
    expect((await lab.get('/cluster/resources?type=vm', ann)).data).toEqual([])
    expect((await lab.get('/nodes/pve/qemu', ann)).data).toEqual([])
    await grant('/vms/100', 'VM.Audit')
    expect((await lab.get('/cluster/resources?type=vm', ann)).data).toHaveLength(1)
    expect((await lab.get('/nodes/pve/qemu', ann)).data).toHaveLength(1)
  })

  test('storages with a right on them', async () => {
    expect((await lab.get('/nodes/pve/storage', ann)).data).toEqual([])
    await grant('/storage/local', 'Datastore.Audit')
    expect(
      (await lab.get('/nodes/pve/storage', ann)).data.map((s: { storage: string }) => s.storage),
    ).toEqual(['local'])
    expect((await lab.get('/storage/local', ann)).reason).toBe(
      'Permission check failed (/storage/local, Datastore.Allocate)',
    )
  })
})

describe('tasks', () => {
  test("an owner sees its token's, a token not its owner's, a stranger neither", async () => {
    await grant('/vms/100', 'VM.PowerMgmt')
    const upid = (await lab.call('POST', '/nodes/pve/qemu/100/status/start', {}, ann)).data
    expect(upid).toMatch(/:qmstart:100:ann@pve!all:$/)
    const path = `/nodes/pve/tasks/${encodeURIComponent(upid)}/status`
    expect((await lab.get(path, ann)).data.exitstatus).toBe('OK')
    for (const stranger of [annSeparated, bob])
      expect((await lab.get(path, stranger)).reason).toBe('Permission check failed (/nodes/pve, Sys.Audit)')
    await grant('/nodes', 'Sys.Audit', 'bob@pve')
    expect((await lab.get(path, bob)).status).toBe(200)
  })
})

describe('/access/permissions', () => {
  test('tells paths, privileges and whether they propagate', async () => {
    await grant('/vms/100', 'VM.Audit,VM.Clone')
    const { data } = await lab.get('/access/permissions', ann)
    expect(data).toEqual({ '/vms/100': { 'VM.Audit': 1, 'VM.Clone': 1 } })
  })

  test("another's needs Sys.Audit on /access, a token's own owner nothing", async () => {
    await grant('/vms/100', 'VM.Audit')
    expect((await lab.get('/access/permissions?userid=ann@pve', bob)).reason).toBe(
      'Permission check failed (/access, Sys.Audit)',
    )
    await grant('/access', 'Sys.Audit', 'bob@pve')
    expect((await lab.get('/access/permissions?userid=ann@pve', bob)).data).toHaveProperty('/vms/100')
    expect((await lab.get('/access/permissions?userid=ann@pve!sep', bob)).data).toEqual({})
  })
})

describe('PVE 8', () => {
  let eight: TestLab
  beforeAll(async () => {
    eight = await start(8)
  })
  afterAll(() => eight.close())

  test('knows VM.Monitor, which PVE 9 refuses by name', async () => {
    const role = { roleid: 'Seed', privs: 'VM.Audit,VM.Monitor' }
    expect((await eight.call('POST', '/access/roles', role)).status).toBe(200)
    expect(await lab.call('POST', '/access/roles', role)).toMatchObject({
      status: 400,
      errors: { privs: "invalid format - invalid privilege 'VM.Monitor'\n" },
    })
  })

  test('asks for it before it lets anyone reach an agent', async () => {
    const reply = await eight.get('/nodes/pve/qemu/100/agent/info', ann)
    expect(reply.reason).toBe('Permission check failed (/vms/100, VM.Monitor)')
  })
})

test('a removed VM takes its ACLs with it', async () => {
  await grant('/vms/100', 'VM.Audit')
  expect(await lab.task('DELETE', '/nodes/pve/qemu/100')).toBe('OK')
  expect((await lab.get('/access/acl')).data).toEqual([])
})
