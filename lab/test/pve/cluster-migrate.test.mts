import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterSpec } from '../../pve/core/cluster.mts'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const GIB = 1024 ** 3

const CLUSTER: ClusterSpec = {
  nodes: [
    { name: 'pve', online: true },
    { name: 'pve2', online: true },
    { name: 'off', online: false },
  ],
  storages: [
    { id: 'local', type: 'dir', content: ['iso'] },
    { id: 'tank', type: 'zfspool', content: ['images'], size: 4 * GIB },
    { id: 'nas', type: 'nfs', content: ['images', 'iso'], shared: true },
    { id: 'here', type: 'lvmthin', content: ['images'], nodes: ['pve'] },
  ],
}

const SECRET = '5e2a4c70-2f0e-4f39-8b8e-0c9d1a7b6e55'
const ann = tokenHeader('ann@pve!t', SECRET)

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    cluster: CLUSTER,
    userCfg:
      'user:ann@pve:1:0::::::\ntoken:ann@pve!t:0:0::\nrole:Mover:VM.Migrate:\nacl:1:/vms:ann@pve:Mover:\n',
    tokenSecrets: { 'ann@pve!t': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const create = (vmid: number, more: Record<string, unknown>, node = 'pve') =>
  lab.task('POST', `/nodes/${node}/qemu`, { vmid, name: `vm${vmid}`, memory: 512, ...more })
const ask = (body: Record<string, unknown>, headers = lab.rootHeaders) =>
  lab.call('POST', '/nodes/pve/qemu/100/migrate', { target: 'pve2', ...body }, headers)
const migrate = (body: Record<string, unknown> = {}) =>
  lab.task('POST', '/nodes/pve/qemu/100/migrate', { target: 'pve2', ...body })
const config = async (node: string) => (await lab.get(`/nodes/${node}/qemu/100/config`)).data
const volids = async (node: string, storage: string) =>
  (await lab.get(`/nodes/${node}/storage/${storage}/content`)).data
    .map((entry: { volid: string }) => entry.volid)
    .sort()
const log = () => lab.server.admin.tasks().at(-1)!.log

describe('migration', () => {
  test('copies what is local, leaves what is shared, and takes all of it along', async () => {
    await create(100, { scsi0: 'tank:1', scsi1: 'nas:1', ide2: 'tank:cloudinit' })
    const before = await config('pve')
    expect(await migrate({ 'with-local-disks': 1 })).toBe('OK')
    expect(await config('pve')).toBeNull()
    expect(await config('pve2')).toEqual(before)
    expect([await volids('pve', 'tank'), await volids('pve2', 'tank')]).toEqual([
      [],
      ['tank:vm-100-cloudinit', 'tank:vm-100-disk-0'],
    ])
    expect(await readdir(join(lab.dataDir, 'storage/tank'))).toEqual([])
    expect(await lab.task('POST', '/nodes/pve2/qemu/100/status/start')).toBe('OK')
    await lab.task('POST', '/nodes/pve2/qemu/100/status/stop')
    expect(await lab.task('DELETE', '/nodes/pve2/qemu/100')).toBe('OK')
    expect(await readdir(join(lab.dataDir, 'storage/tank@pve2'))).toEqual([])
  })

  test('maps storages, all to one or each to its own', async () => {
    await create(100, { scsi0: 'here:1', scsi1: 'tank:1' })
    expect((await ask({})).reason).toBe("storage 'here' is not available on node 'pve2'")
    expect(await migrate({ targetstorage: 'here:nas,tank:tank' })).toBe('OK')
    expect(await config('pve2')).toMatchObject({
      scsi0: 'nas:100/vm-100-disk-0.raw,size=1G',
      scsi1: 'tank:vm-100-disk-0,size=1G',
    })
    expect(await volids('pve', 'here')).toEqual([])
  })

  test('of a template keeps its disks bases', async () => {
    await create(100, { scsi0: 'here:1' })
    await lab.task('POST', '/nodes/pve/qemu/100/template')
    expect(await migrate({ targetstorage: 'tank' })).toBe('OK')
    expect(await config('pve2')).toMatchObject({ template: 1, scsi0: 'tank:base-100-disk-0,size=1G' })
    expect(await lab.task('POST', '/nodes/pve2/qemu/100/clone', { newid: 101 })).toBe('OK')
  })

  test('takes a disk along that left its slot', async () => {
    await create(100, { scsi0: 'tank:1' })
    await lab.call('PUT', '/nodes/pve/qemu/100/config', { delete: 'scsi0' })
    expect(await migrate()).toBe('OK')
    expect(await config('pve2')).toMatchObject({ unused0: 'tank:vm-100-disk-0' })
    expect(await volids('pve2', 'tank')).toEqual(['tank:vm-100-disk-0'])
  })

  test('of a running VM needs to be asked for, and its disks on shared storage', async () => {
    await create(100, { scsi0: 'nas:1', start: 1 })
    expect((await ask({})).reason).toBe("can't migrate running VM without --online")
    expect(await migrate({ online: 1 })).toBe('OK')
    expect((await lab.get('/nodes/pve2/qemu/100/status/current')).data.status).toBe('running')
    await lab.task('POST', '/nodes/pve2/qemu/100/status/stop')
    await lab.task('DELETE', '/nodes/pve2/qemu/100')
    await create(100, { scsi0: 'tank:1', start: 1 })
    expect(await migrate({ online: 1, 'with-local-disks': 1 })).toBe('migration aborted')
    expect((await lab.get('/nodes/pve/qemu/100/status/current')).data.status).toBe('running')
  })

  test('that finds no room leaves everything as it was', async () => {
    await create(100, { scsi0: 'tank:1', scsi1: 'tank:2' })
    await create(101, { scsi0: 'tank:2' }, 'pve2')
    expect(await migrate()).toBe('migration aborted')
    expect(log()).toContain("ERROR: zfs error: cannot create 'tank/vm-100-disk-1': out of space")
    expect(await volids('pve', 'tank')).toEqual(['tank:vm-100-disk-0', 'tank:vm-100-disk-1'])
    expect(await volids('pve2', 'tank')).toEqual(['tank:vm-101-disk-0'])
    expect(await lab.task('POST', '/nodes/pve/qemu/100/status/start')).toBe('OK')
    expect(await readdir(join(lab.dataDir, 'storage/tank@pve2'))).toEqual(['vm-101-disk-0'])
  })

  test('is stopped by a local CD, a linked clone and its base', async () => {
    await writeFile(join(lab.dataDir, 'storage/local/template/iso/x.iso'), 'x')
    await create(100, { scsi0: 'tank:1', ide0: 'local:iso/x.iso,media=cdrom' })
    expect(await migrate()).toBe('migration aborted')
    expect(log()).toContain("can't migrate local disk 'local:iso/x.iso': local cdrom image")
    await lab.call('PUT', '/nodes/pve/qemu/100/config', { delete: 'ide0' })
    await lab.task('POST', '/nodes/pve/qemu/100/template')
    await lab.task('POST', '/nodes/pve/qemu/100/clone', { newid: 101 })
    expect(await migrate()).toBe('migration aborted')
    expect(log()).toContain("can't migrate local disk 'tank:base-100-disk-0': referenced by linked clone(s)")
    const clone = await lab.task('POST', '/nodes/pve/qemu/101/migrate', { target: 'pve2' })
    expect(clone).toBe('migration aborted')
    expect(log().join()).toContain("as it's a clone of 'tank:base-100-disk-0'")
  })

  test('goes to another node that is there, by who may', async () => {
    await create(100, { scsi0: 'tank:1' })
    expect((await ask({ target: 'pve' })).errors).toEqual({ target: 'target is local node.' })
    expect((await ask({ target: 'none' })).reason).toBe("no such cluster node 'none'")
    expect(await migrate({ target: 'off' })).toBe('migration aborted')
    expect((await ask({ force: 1 })).errors).toEqual({ force: 'Only root may use this option.' })
    expect((await ask({ targetstorage: 'nas' }, ann)).reason).toBe(
      'Permission check failed (/vms/100, VM.Config.Disk)',
    )
    expect((await ask({}, ann)).status).toBe(200)
  })
})

test('what stands against a migration is asked before: storages that a node lacks, and disks to copy', async () => {
  await create(100, { scsi0: 'tank:1', scsi1: 'nas:1', scsi2: 'here:1' })
  const before = async () => (await lab.get('/nodes/pve/qemu/100/migrate')).data
  expect(await before()).toMatchObject({
    running: 0,
    allowed_nodes: [],
    not_allowed_nodes: { pve2: { unavailable_storages: ['here'] } },
    local_disks: [{ volid: 'tank:vm-100-disk-0' }, { volid: 'here:vm-100-disk-0' }],
  })
  await lab.call('PUT', '/nodes/pve/qemu/100/config', { delete: 'scsi2', force: 1 })
  expect((await before()).allowed_nodes).toContain('pve2')
})
