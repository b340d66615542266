import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Headers, startLab, type TestLab, tokenHeader } from './client.mts'

/** Privileges of the role in the README. */
const PRIVILEGES =
  'Datastore.Allocate,Datastore.AllocateSpace,Datastore.AllocateTemplate,Datastore.Audit,SDN.Use,Sys.AccessNetwork,Sys.Audit,VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.HWType,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.GuestAgent.Audit,VM.PowerMgmt'
const USER = tokenHeader('proxmint@pve!build', 'a7f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a11')

let lab: TestLab
let as: Headers | undefined
beforeAll(async () => {
  lab = await startLab({
    userCfg: `user:proxmint@pve:1:0::::::\ntoken:proxmint@pve!build:0:0::\nrole:Proxmint:${PRIVILEGES}:\nacl:1:/:proxmint@pve:Proxmint:\n`,
    tokenSecrets: { 'proxmint@pve!build': 'a7f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a11' },
    cluster: {
      nodes: ['pve', 'pve2'].map(name => ({ name, online: true })),
      storages: [
        { id: 'tank', type: 'dir', content: ['images'] },
        { id: 'data', type: 'dir', content: ['images'] },
      ],
    },
  })
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  as = undefined
})

const qemu = '/nodes/pve/qemu'
const task = (method: string, path: string, body = {}) => lab.task(method, `${qemu}/${path}`, body, as)
const call = (method: string, path: string, body = {}) => lab.call(method, `${qemu}/${path}`, body, as)
const create = (vmid: number, more = {}) => task('POST', '', { vmid, ...more })
const config = async (vmid: number) => (await lab.get(`${qemu}/${vmid}/config`)).data
const move = (from: number, body: Record<string, unknown>) => call('POST', `${from}/move_disk`, body)

test('a root disk is replaced by that of a clone, and put back, with the privileges of the README', async () => {
  await create(900, { name: 'golden', scsi0: 'tank:2', net0: 'virtio,bridge=vmbr0' })
  await task('POST', '900/template')
  as = USER
  const own = { name: 'web', description: 'notes', net0: 'virtio,bridge=vmbr0', ide2: 'tank:cloudinit' }
  await create(100, { ...own, scsi0: 'tank:1', scsi1: 'data:3', boot: 'order=scsi0' })
  const before = await config(100)
  expect(await task('POST', '900/clone', { newid: 101, full: 1 })).toBe('OK')
  expect((await call('PUT', '100/config', { delete: 'scsi0' })).status).toBe(200)
  expect(await config(100)).toMatchObject({ unused0: 'tank:100/vm-100-disk-0.raw', boot: ' ' })
  const swap = { disk: 'scsi0', 'target-vmid': 100, 'target-disk': 'scsi0' }
  expect(await task('POST', '101/move_disk', swap)).toBe('OK')
  expect(lab.server.admin.tasks().at(-1)!.upid).toContain(':qmmove:101-scsi0>100-scsi0:')
  expect(await config(100)).toMatchObject({ scsi0: 'tank:100/vm-100-disk-1.raw,size=2G', boot: ' ' })
  expect((await call('PUT', '100/config', { boot: 'order=scsi0' })).status).toBe(200)
  expect(await task('DELETE', '101?purge=1')).toBe('OK')
  const { unused0, scsi0, digest: _, ...kept } = await config(100)
  expect({ ...kept, scsi0: before.scsi0, digest: before.digest }).toEqual(before)
  expect([unused0, scsi0]).toEqual(['tank:100/vm-100-disk-0.raw', 'tank:100/vm-100-disk-1.raw,size=2G'])
  expect(await task('POST', '100/status/start')).toBe('OK')
  await task('POST', '100/status/stop')
  expect((await call('PUT', '100/config', { scsi0: unused0 })).status).toBe(200)
  const back = await config(100)
  expect(back).toMatchObject({ scsi0: 'tank:100/vm-100-disk-0.raw,size=1G' })
  expect(Object.values(back)).toContain('tank:100/vm-100-disk-1.raw')
  expect(await task('DELETE', '100')).toBe('OK')
  expect((await lab.get('/nodes/pve/storage/tank/content')).data).toMatchObject([
    { volid: 'tank:900/base-900-disk-0.raw' },
  ])
})

test('a protected VM keeps its disks', async () => {
  await create(100, { scsi0: 'tank:1', protection: 1 })
  expect((await call('PUT', '100/config', { delete: 'scsi0' })).reason).toBe(
    "can't remove drive 'scsi0' - protection mode enabled",
  )
  await task('POST', '100/clone', { newid: 101 })
  expect((await config(101)).protection).toBe(1)
})

test('a disk that came from another VM and a new one never share a file', async () => {
  await create(100, { scsi0: 'tank:1' })
  await create(101)
  await task('POST', '100/move_disk', { disk: 'scsi0', 'target-vmid': 101, 'target-disk': 'unused3' })
  expect(await config(101)).toMatchObject({ unused3: 'tank:101/vm-101-disk-0.raw' })
  await call('PUT', '100/config', { scsi0: 'tank:2' })
  await task('DELETE', '101')
  expect(await task('PUT', '100/resize', { disk: 'scsi0', size: '3G' })).toBe('OK')
})

describe('is refused', () => {
  beforeEach(async () => {
    await create(100, { scsi0: 'tank:1', ide2: 'none,media=cdrom' })
    await create(101, { scsi0: 'tank:1' })
  })

  test.each([
    [{ disk: 'scsi0', 'target-vmid': 101 }, "Target disk key 'scsi0' is already in use for VM '101'"],
    [{ disk: 'scsi3', 'target-vmid': 101 }, "Disk 'scsi3' for VM '100' does not exist"],
    [{ disk: 'scsi0', 'target-vmid': 999 }, 'could not find target VM 999'],
    [{ disk: 'ide2', 'target-vmid': 101 }, "CD drive contents can't be moved to another VM"],
    [
      { disk: 'scsi0', 'target-vmid': 101, digest: 'x' },
      'VM 100: detected modified configuration - file changed by other user? Try again.',
    ],
    [
      { disk: 'scsi0', 'target-vmid': 101, 'target-digest': 'x' },
      'VM 101: detected modified configuration - file changed by other user? Try again.',
    ],
  ])('%j', async (body, reason) => {
    expect((await move(100, body)).reason).toBe(reason)
  })

  test('for a running VM, a template, another node and the VM itself', async () => {
    const to101 = { disk: 'scsi0', 'target-vmid': 101, 'target-disk': 'scsi5' }
    expect((await move(100, { ...to101, 'target-vmid': 100 })).errors).toEqual({
      'target-vmid': 'must be different than source VMID to reassign disk',
    })
    await task('POST', '100/status/start')
    expect((await move(100, to101)).reason).toBe(
      'Cannot move disk to another VM while the source VM is running - detach first',
    )
    await task('POST', '100/status/stop')
    await task('POST', '101/template')
    expect((await move(100, to101)).reason).toBe("Can't move disks from or to template VMs")
    await lab.task('POST', '/nodes/pve2/qemu', { vmid: 102 })
    expect((await move(100, { ...to101, 'target-vmid': 102 })).reason).toBe(
      'Both VMs need to be on the same node (pve != pve2)',
    )
  })

  test('without a target, and with two', async () => {
    const none = "both 'storage' and 'target-vmid' missing, either needs to be set"
    expect((await move(100, { disk: 'scsi0' })).errors).toEqual({ storage: none, 'target-vmid': none })
    const both = "either set 'storage' or 'target-vmid', but not both"
    expect((await move(100, { disk: 'scsi0', storage: 'data', 'target-vmid': 101 })).errors).toEqual({
      storage: both,
      'target-vmid': both,
    })
  })
})
