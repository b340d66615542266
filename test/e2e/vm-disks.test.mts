/** Data disks and devices of a VM, from its creation to its end. Its guests are simulated, so nothing is mounted in them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { resizeDisk } from '../../scripts/lib/proxmox/resize-disk.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import type { VmDesign } from '../../scripts/lib/registry/entry.mts'
import { changeEntry } from '../change-entry.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
  for (const id of ['gpu', 'elsewhere']) {
    const node = id === 'gpu' ? 'pve' : 'pve9'
    await rootClient(lab).request('POST', '/cluster/mapping/pci', {
      id,
      map: `id=10de:1eb8,node=${node},path=0000:01:00.0`,
    })
  }
  const role = { privs: 'Mapping.Use', append: 1 }
  await rootClient(lab).request('PUT', '/access/roles/Proxmint', role)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const db = { node: 'pve', vmid: 100 }
const config = () => getVmConfig(rootClient(lab), db)
const entry = async () => (await vms.registry.find('db-1'))!
const redesign = (design: Partial<VmDesign>) =>
  changeEntry(vms.registry, 'db-1', one => ({ ...one, design: { ...one.design!, ...design } }))
const volumes = async () =>
  (await listVolumes(rootClient(lab), { node: 'pve', storage: 'tank' }, 'images'))
    .filter(({ vmid }) => vmid === db.vmid)
    .map(({ volid }) => volid)

const data = { name: 'data', size: 2, keep: true, discard: true }
const logs = { name: 'logs', size: 1, backup: false }

test('a disk on a storage that is not there, and a device of another node, are refused before anything is reserved', async () => {
  for (const [option, value, text] of [
    ['--data-disk', 'name=data,size=2,storage=none', 'has no storage none'],
    ['--device', 'pci=elsewhere', 'node pve has no device of the mapping pci elsewhere'],
    ['--device', 'pci=nothing', 'there is no resource mapping nothing of PCI devices'],
  ] as const) {
    const refused = await vms.run('vm', ['create', 'db-1', '--no-web3', option, value])
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain(text)
  }
  expect(await vms.registry.list()).toEqual([])
})

test('a VM is made with its disks and its device, in slots of their own', async () => {
  const made = await vms.json(
    ...['vm', 'create', 'db-1', '--no-web3', '--apply', '--device', 'pci=gpu'],
    ...['--data-disk', 'name=data,size=2,keep=on,discard=on', '--data-disk', 'name=logs,size=1,backup=off'],
  )
  const found = await config()
  expect(found).toMatchObject({
    scsi1: expect.stringMatching(/^tank:vm-100-disk-\d+,.*serial=data/),
    scsi2: expect.stringMatching(/^tank:vm-100-disk-\d+,.*backup=0.*serial=logs/),
    hostpci0: 'mapping=gpu',
  })
  expect(made).toMatchObject({
    phase: 'active',
    design: { disks: [data, logs], dataDisks: { data: { firstSystem: 0 } }, ownDevices: ['pci gpu'] },
  })
  expect(made.design.made).not.toContain('scsi1')
  expect(await vms.json('reconcile')).toEqual([])
  const shown = await vms.run('vm', ['show', 'db-1'])
  expect(shown.stdout).toMatch(/disks +data: 2 GiB, kept\n +logs: 1 GiB/)
  expect(shown.stdout).not.toMatch(/foreign|differs/)
})

test('a disk grows while the VM runs, and one is added', async () => {
  const more = { name: 'more', size: 1, mount: '/more' }
  await redesign({ disks: [{ ...data, size: 3 }, logs, more] })
  const before = await entry()
  expect(await vms.json('apply', 'db-1')).toMatchObject([
    {
      did: 'changed',
      changes: [
        { what: 'disk data', from: '2 GiB', to: '3 GiB', cost: null },
        { what: 'disk more', from: 'none', to: '1 GiB', cost: null },
      ],
    },
  ])
  expect(await config()).toMatchObject({
    scsi1: expect.stringContaining('size=3G'),
    scsi3: expect.stringContaining('serial=more'),
  })
  expect((await entry()).design!.dataDisks).toMatchObject({
    ...before.design!.dataDisks,
    more: { firstSystem: 1 },
  })
  // The present system has its user-data already.
  expect(await vms.json('apply', 'db-1')).toMatchObject([{ did: 'nothing', changes: [] }])
})

test('what somebody grew is taken over, and what somebody detached is attached again', async () => {
  await resizeDisk(rootClient(lab), db, 'scsi2', '2G')
  await expect.poll(async () => (await config())['scsi2']).toContain('size=2G')
  const volume = String((await config())['scsi3']).split(',')[0]!
  await updateVmConfig(rootClient(lab), db, { delete: 'scsi3' })
  expect(await config()).toMatchObject({ unused0: volume })
  expect(await vms.json('vm', 'show', 'db-1')).toMatchObject({
    views: { proxmox: { drift: [{ what: 'disk more', proxmox: 'detached', registry: '1 GiB' }] } },
  })
  await vms.json('apply', 'db-1')
  const found = await config()
  expect(found['scsi3']).toContain(`${volume},`)
  expect(found['unused0']).toBeUndefined()
  expect((await entry()).design!.disks).toMatchObject([{ size: 3 }, { size: 2 }, { size: 1 }])
})

test('a disk and a device that nobody wants any more are taken away for what that costs, and nothing is deleted', async () => {
  const before = await volumes()
  await redesign({ disks: (await entry()).design!.disks!.slice(0, 2), devices: [] })
  const refused = await vms.run('apply', ['db-1', '--allow', 'remove'])
  expect(refused.code).toBe(3)
  expect(refused.stderr).toContain('reboot')
  expect(await config()).toMatchObject({ scsi3: expect.anything(), hostpci0: 'mapping=gpu' })
  await vms.json('apply', 'db-1', '--allow', 'remove', '--allow', 'reboot')
  const found = await config()
  expect(found).toMatchObject({ unused0: expect.stringContaining('tank:') })
  expect(found).not.toHaveProperty('scsi3')
  expect(found).not.toHaveProperty('hostpci0')
  expect((await getVmStatus(rootClient(lab), db)).status).toBe('running')
  expect(await volumes()).toEqual(before)
  expect(await vms.json('reconcile')).toEqual([])
})

test('gc leaves a VM with a disk that is kept suspended, and says why', async () => {
  await changeEntry(vms.registry, 'db-1', one => ({ ...one, expiresAt: '2020-01-01T00:00:00.000Z' }))
  await vms.json('gc', '--execute')
  const { code, stdout } = await vms.run('gc', ['--execute', '--grace-days', '0'])
  expect(code).toBe(7)
  expect(stdout).toContain('it has data disk data scsi1')
  expect(await entry()).toMatchObject({ phase: 'suspended', failure: { step: 'destroy' } })
})

test('destroy needs the word, names the disks, and leaves no volume', async () => {
  const refused = await vms.run('vm', ['destroy', 'db-1', '--yes'])
  expect(refused.code).toBe(3)
  expect(refused.stderr).toContain('marked `keep`')
  expect(refused.stderr).toContain('detached data disk more unused0')
  expect(await volumes()).toHaveLength(4 + 1)
  const destroyed = await vms.run('vm', ['destroy', 'db-1', '--yes', '--allow', 'data-loss'])
  expect(destroyed.code, destroyed.stderr).toBe(0)
  expect(await volumes()).toEqual([])
})
