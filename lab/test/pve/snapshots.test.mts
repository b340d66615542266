import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [
        { id: 'tank', type: 'zfspool', content: ['images'] },
        { id: 'files', type: 'dir', content: ['images'] },
      ],
    },
  })
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  await create()
})

const vm = '/nodes/pve/qemu/100'
const path = `${vm}/snapshot`
const create = (scsi0 = 'files:1,format=qcow2') =>
  lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'base', memory: 512, scsi0 })
const take = (snapname: string, more = {}) => lab.task('POST', path, { snapname, ...more })
const rollBack = (name: string, more = {}) => lab.task('POST', `${path}/${name}/rollback`, more)
const names = async () => (await lab.get(path)).data.map((one: { name: string }) => one.name)
const config = async () => (await lab.get(`${vm}/config`)).data
const put = (body: Record<string, unknown>) => lab.call('PUT', `${vm}/config`, body)
const content = async (storage = 'files') =>
  (await lab.get(`/nodes/pve/storage/${storage}/content`)).data
    .map(({ volid }: { volid: string }) => volid)
    .sort()
const status = async () => (await lab.get(`${vm}/status/current`)).data

test('are listed with the VM as it is, and the config names the one it stands on', async () => {
  expect(await names()).toEqual(['current'])
  for (const snapname of ['first', 'second']) expect(await take(snapname)).toBe('OK')
  expect((await lab.get(path)).data).toMatchObject([
    { name: 'first', vmstate: 0 },
    { name: 'second', parent: 'first' },
    { name: 'current', parent: 'second', running: 0 },
  ])
  expect((await config()).parent).toBe('second')
})

test('of one that is deleted, its parent takes the place', async () => {
  for (const snapname of ['first', 'second']) await take(snapname)
  expect(await lab.task('DELETE', `${path}/second`)).toBe('OK')
  expect((await config()).parent).toBe('first')
  expect(await lab.task('DELETE', `${path}/first`)).toBe('OK')
  expect((await config()).parent).toBeUndefined()
  expect(await lab.task('DELETE', `${path}/first`)).toBe("snapshot 'first' does not exist")
})

test.each([
  ['x', { status: 400, errors: { snapname: "invalid format - invalid configuration ID 'x'\n" } }],
  ['x'.repeat(41), { status: 400, errors: { snapname: 'value may only be 40 characters long' } }],
  ['current', { status: 500, reason: "unable to use snapshot name 'current' (reserved name)" }],
  ['Pending', { status: 500, reason: "unable to use snapshot name 'pending' (reserved name)" }],
])('the name %s is refused in the request', async (snapname, reply) => {
  expect(await lab.call('POST', path, { snapname })).toMatchObject(reply)
})

test('a taken name, a template and a raw disk on files fail in the worker', async () => {
  await take('first')
  expect(await take('first')).toBe("snapshot name 'first' already used")
  expect((await lab.call('POST', `${vm}/template`)).reason).toBe(
    'unable to create template, because VM contains snapshots',
  )
  await lab.task('DELETE', `${path}/first`)
  await lab.task('POST', `${vm}/template`)
  expect(await take('first')).toBe("you can't take a snapshot if it's a template")
  await lab.server.reset()
  await create('files:1,format=raw')
  expect(await take('first')).toBe('snapshot feature is not available')
  expect((await lab.get(`${vm}/feature?feature=snapshot`)).data).toEqual({ hasFeature: 0, nodes: ['pve'] })
  expect((await config()).lock).toBeUndefined()
})

test('rolling back restores options, size and content of the disks; notes stay', async () => {
  const disk = join(lab.dataDir, 'storage/files/images/100/vm-100-disk-0.qcow2')
  const sizeOf = async () => JSON.parse(await readFile(disk, 'utf8')).size
  await put({ description: 'old' })
  await take('first', { description: 'before' })
  await put({ cores: 4, description: 'new', scsi1: 'files:1,format=qcow2' })
  await lab.task('PUT', `${vm}/resize`, { disk: 'scsi0', size: '2G' })
  expect(await sizeOf()).toBe(2 * 1024 ** 3)
  const { vmgenid } = await config()
  expect(await rollBack('first')).toBe('OK')
  const after = await config()
  expect(after).toMatchObject({
    parent: 'first',
    description: 'new',
    scsi0: 'files:100/vm-100-disk-0.qcow2,size=1G',
    unused0: 'files:100/vm-100-disk-1.qcow2',
  })
  expect(after).not.toHaveProperty('cores')
  expect(after).not.toHaveProperty('scsi1')
  expect(after.vmgenid).not.toBe(vmgenid)
  expect(await sizeOf()).toBe(1024 ** 3)
  expect(await rollBack('none')).toBe("snapshot 'none' does not exist")
})

test('a rollback stops the VM, and starts it only when asked', async () => {
  await take('first')
  await lab.task('POST', `${vm}/status/start`)
  await rollBack('first')
  expect((await status()).status).toBe('stopped')
  await rollBack('first', { start: 1 })
  await lab.server.admin.settled()
  expect((await status()).status).toBe('running')
})

test('with its memory, the VM runs after the rollback, and the state is a volume', async () => {
  await take('cold', { vmstate: 1 })
  expect((await lab.get(path)).data[0].vmstate).toBe(0)
  await lab.task('POST', `${vm}/status/start`)
  expect(await take('warm', { vmstate: 1 })).toBe('OK')
  const state = 'files:100/vm-100-state-warm.raw'
  expect((await lab.get(`${path}/warm/config`)).data).toMatchObject({
    vmstate: state,
    parent: 'cold',
    runningmachine: expect.stringMatching(/^pc-i440fx-/),
  })
  expect((await lab.get(`${vm}/config?snapshot=warm`)).data).toMatchObject({ vmstate: state })
  expect(await content()).toContain(state)
  await lab.task('POST', `${vm}/status/stop`)
  expect(await rollBack('warm')).toBe('OK')
  expect((await status()).status).toBe('running')
  expect(lab.driver.started.get(100)?.state).toMatch(/vm-100-state-warm\.raw$/)
  expect(await config()).not.toHaveProperty('vmstate')
  expect(await lab.task('DELETE', `${path}/warm`)).toBe('OK')
  expect(await content()).not.toContain(state)
})

test('notes of a snapshot can change; a missing one is named', async () => {
  await take('first')
  expect((await lab.call('PUT', `${path}/first/config`, { description: 'x' })).status).toBe(200)
  expect((await lab.get(`${path}/first/config`)).data.description).toBe('x')
  for (const reply of [
    await lab.get(`${path}/none/config`),
    await lab.call('PUT', `${path}/none/config`, { description: 'x' }),
    await lab.get(`${vm}/config?snapshot=none`),
  ])
    expect([reply.status, reply.reason]).toEqual([500, "snapshot 'none' does not exist"])
})

test('a clone can be made of a snapshot where the storage can copy it', async () => {
  await take('first')
  await lab.task('PUT', `${vm}/resize`, { disk: 'scsi0', size: '2G' })
  const clone = { newid: 101, full: 1, snapname: 'first' }
  expect(await lab.task('POST', `${vm}/clone`, clone)).toBe('OK')
  const { data } = await lab.get('/nodes/pve/qemu/101/config')
  expect(data).toMatchObject({ scsi0: 'files:101/vm-101-disk-0.qcow2,size=1G' })
  expect(data).not.toHaveProperty('parent')
  expect((await lab.call('POST', `${vm}/clone`, { ...clone, newid: 102, snapname: 'none' })).reason).toBe(
    "snapshot 'none' does not exist",
  )
})

test('ZFS goes back only to the newest, and copies none', async () => {
  await lab.server.reset()
  await create('tank:1')
  for (const name of ['first', 'second']) await take(name)
  expect(await rollBack('first')).toBe(
    "can't rollback, 'first' is not most recent snapshot on 'tank:vm-100-disk-0'",
  )
  expect(await rollBack('second')).toBe('OK')
  expect((await lab.call('POST', `${vm}/clone`, { newid: 101, full: 1, snapname: 'first' })).reason).toBe(
    "Full clone feature is not supported for a snapshot of 'tank:vm-100-disk-0' (scsi0)",
  )
})

test('a disk that a snapshot needs neither moves away nor to another VM', async () => {
  await take('first')
  const move = { disk: 'scsi0', storage: 'tank', delete: 1 }
  expect((await lab.call('POST', `${vm}/move_disk`, move)).reason).toBe(
    "you can't move a disk with snapshots and delete the source",
  )
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 101 })
  expect((await lab.call('POST', `${vm}/move_disk`, { disk: 'scsi0', 'target-vmid': 101 })).reason).toBe(
    "Can't move disk used by a snapshot to another VM",
  )
})

test('what a snapshot kept goes with the VM', async () => {
  await lab.task('POST', `${vm}/status/start`)
  await take('warm', { vmstate: 1 })
  await lab.task('POST', `${vm}/status/stop`)
  expect(await lab.task('DELETE', vm)).toBe('OK')
  expect(await content()).toEqual([])
})
