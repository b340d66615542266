/** Backups before a destroy, their removal after their days, and VMs that come back from them. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadVmDefaults } from '../../../scripts/lib/config/vm-defaults.mts'
import { type Entry, phaseText, stillGone, type VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import { spareMark } from '../../../scripts/lib/registry/rebuild.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { safetyOf, slotsLeftOut } from '../../../scripts/lib/vm/life/backup.mts'
import { destroyVm } from '../../../scripts/lib/vm/life/destroy.mts'
import { collectGarbage } from '../../../scripts/lib/vm/life/gc.mts'
import { restoreByName } from '../../../scripts/lib/vm/life/restore.mts'
import { revived } from '../../../scripts/lib/vm/life/restore-plan.mts'
import { startByName } from '../../../scripts/lib/vm/life/start-stop.mts'
import { formatVms } from '../../../scripts/lib/vm/look/list.mts'
import { withDisksIn } from '../../../scripts/lib/vm/shape/data-disks.mts'
import { changeEntry } from '../../change-entry.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeProxmox, fakeProxmox } from './fake-proxmox.mts'

const day = 86_400_000
const inDays = (days: number) => new Date(Date.now() + days * day)
const noIssuer = () => Promise.reject(new Error('the chain is not asked'))
const wishes = { vmid: undefined, storage: undefined, days: undefined }

let store: RegistryStore
let proxmox: FakeProxmox
let context: VmContext

beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  // Without a design no Terraform is asked.
  const known = entry('web', {
    node: 'pve',
    vmid: 100,
    phase: 'active',
    expiresAt: inDays(5).toISOString(),
    history: ['created', 'active'].map(what => ({ at: inDays(-1).toISOString(), what })),
  })
  await store.add([known], [])
  const config = { name: 'web', description: descriptionOf(known), tags: 'proxmint-test', onboot: 1 }
  proxmox = fakeProxmox({ 100: { node: 'pve', status: 'running', config } })
  const { connection } = proxmox
  const vmDefaults = async () => ({ ...(await loadVmDefaults()), safety: 'backup' as const })
  connection.site = { ...connection.site, vmDefaults }
  const { signal } = new AbortController()
  context = { store, connection, checks: connection, issuer: noIssuer, signal }
})
afterEach(() => store.close())

const destroy = (more: Partial<VmContext> = {}) => destroyVm('web', { ...context, ...more })
const backup = 'local:backup/vzdump-qemu-100-0.vma.zst'
const vm = () => proxmox.vms.get(100)

describe('before a destroy', () => {
  test('the VM is powered off, backed up, written down, and only then deleted', async () => {
    proxmox.before = async change => {
      if (change === 'POST /nodes/pve/vzdump') expect(vm()!.status).toBe('stopped')
      if (change.startsWith('DELETE'))
        expect(await store.find('web')).toMatchObject({ backup: { volid: backup } })
    }
    const gone = await destroy()
    expect(proxmox.changes.slice(0, 2)).toEqual([
      'POST /nodes/pve/qemu/100/status/shutdown',
      'POST /nodes/pve/vzdump',
    ])
    expect([vm(), proxmox.backups]).toMatchObject([undefined, [{ volid: backup, protected: 1 }]])
    expect(proxmox.backups[0]!.notes).toContain(`Entry ${gone.id}.`)
    expect(await store.listArchived()).toMatchObject([{ phase: 'destroyed', backup: { volid: backup } }])
    expect(formatVms(await store.listArchived(), new Date())).toContain(
      'with a backup: web; to bring one back',
    )
  })

  test('a backup that fails keeps the VM, which runs again', async () => {
    proxmox.backupExit = 'job errors'
    const failure = await failureOf(() => destroy())
    expect(failure.message).toContain(
      'web is not destroyed: its backup on local failed: task vzdump of 100 failed',
    )
    expect(failure.hint).toContain('zx scripts/vm.mts destroy web --safety none')
    expect(vm()!.status).toBe('running')
    expect(await store.find('web')).toMatchObject({ phase: 'active', failure: { step: 'destroy' } })
    await destroy({ safety: 'none' })
    expect(vm()).toBeUndefined()
  })

  test('a backup that nobody can see is none', async () => {
    proxmox.before = async change => {
      if (change === 'POST /nodes/pve/vzdump') proxmox.backups = Object.assign([], { push: () => 0 })
    }
    expect((await failureOf(() => destroy())).message).toContain(
      'lists no new backup with the id of the entry',
    )
    expect(vm()!.status).toBe('running')
  })

  test('a VM that never ran, and one that is gone, need none', async () => {
    await changeEntry(store, 'web', one => ({ ...one, phase: 'reserved', history: [] }))
    vm()!.status = 'stopped'
    delete vm()!.config['onboot']
    await destroy()
    expect([proxmox.backups, await store.find('web')]).toEqual([[], undefined])
  })
})

test.each([
  [{}, undefined, ['none', 'local', 30]],
  [{ safety: 'backup', backupStorage: 'nas' }, undefined, ['backup', 'nas', 30]],
  [{ safety: 'backup', backupKeepDays: 7 }, 'none', ['none', 'local', 7]],
] as const)('%j and a person who says %s', async (defaults, said, expected) => {
  const all = { ...(await loadVmDefaults()), ...defaults }
  const { safety, storage, keepDays } = safetyOf({ design: null }, all, said)
  expect([safety, storage, keepDays]).toEqual(expected)
})

const between: NonNullable<Entry['rebuild']> = {
  ...{ kind: 'rebuild', from: 'debian-1', to: 'debian-2', spareVmid: 101, boot: null },
  disk: 'tank:vm-100-disk-0,size=10G',
  system: { template: null, source: null, cloudInit: {} as VmDesign['cloudInit'] },
}

test('a VM between two root disks is not destroyed with a backup that lacks its disk', async () => {
  await changeEntry(store, 'web', one => ({ ...one, rebuild: between }))
  Object.assign(vm()!.config, { scsi0: 'tank:vm-100-disk-1,size=10G', unused0: 'tank:vm-100-disk-0' })
  const failure = await failureOf(() => destroy({ allowed: new Set(['data-loss']) }))
  expect(failure.message).toContain('a backup would not have its root disk tank:vm-100-disk-0')
  expect(failure.hint).toContain('zx scripts/vm.mts rebuild web --undo')
  expect([proxmox.changes, vm()!.status]).toEqual([[], 'running'])
})

test('a backup that fails leaves a rebuild its spare VM', async () => {
  await changeEntry(store, 'web', one => ({ ...one, rebuild: between }))
  vm()!.config['scsi0'] = between.disk
  const { id } = (await store.find('web'))!
  proxmox.vms.set(101, { node: 'pve', status: 'stopped', config: { name: 's', description: spareMark(id) } })
  proxmox.backupExit = 'job errors'
  await failureOf(() => destroy({ allowed: new Set(['data-loss']) }))
  expect([...proxmox.vms.keys()]).toEqual([100, 101])
})

test('what was decided for a VM counts more than the file of today', async () => {
  const design = { safety: 'none' } as unknown as Entry['design']
  const defaults = { ...(await loadVmDefaults()), safety: 'backup' as const }
  expect(safetyOf({ design }, defaults).safety).toBe('none')
})

test('disks that somebody left out of backups are named', () => {
  const config = { scsi0: 'tank:a,size=1G', scsi1: 'tank:b,backup=0', ide2: 'none,media=cdrom,backup=0' }
  expect(slotsLeftOut(config)).toEqual(['scsi1'])
})

describe('gc', () => {
  const collect = (days: number) =>
    collectGarbage({ execute: true, graceDays: 1, now: () => inDays(days) }, context)

  test('removes a backup after its days, and no other', async () => {
    const gone = await destroy()
    const others = [
      { volid: 'local:backup/nightly', notes: 'web', ctime: 1, protected: 1 },
      { volid: 'local:backup/site-b', notes: 'Entry 00000000-0000-4000-8000-000000000009.', ctime: 1 },
      { volid: 'local:backup/later', notes: `Entry ${gone.id}.`, ctime: inDays(5).getTime() / 1000 },
    ]
    proxmox.backups.push(...others)
    expect(await collect(29)).toEqual([])
    expect(await collect(31)).toMatchObject([{ name: 'web', due: 'remove backup', backup, result: 'done' }])
    expect(proxmox.backups).toEqual(others)
    expect(await collect(31)).toEqual([])
  })

  test('backs up what it destroys', async () => {
    expect(await collect(6)).toMatchObject([{ due: 'suspend', result: 'done' }])
    expect(await collect(8)).toMatchObject([{ due: 'destroy', result: 'done' }])
    expect(proxmox.backups).toMatchObject([{ volid: backup }])
  })
})

describe('a restore', () => {
  test('brings the VM back powered off, and a start ends what the destroy began', async () => {
    const gone = await destroy()
    const back = await restoreByName('web', wishes, context)
    expect(back).toMatchObject({ id: gone.id, phase: 'active', vmid: 100, stopped: { startsWithNode: true } })
    expect(back).not.toHaveProperty('restoring')
    expect(stillGone(await store.listArchived(), await store.list())).toEqual([])
    expect([phaseText(back), vm()]).toMatchObject([
      'active, stopped',
      { status: 'stopped', config: { onboot: 0 } },
    ])
    await startByName('web', context)
    expect([vm()!.status, vm()!.config['onboot']]).toEqual(['running', 1])
    await destroy()
    expect(await store.listArchived()).toHaveLength(2)
    expect(await restoreByName('web', wishes, context)).toMatchObject({
      backup: { volid: 'local:backup/vzdump-qemu-100-1.vma.zst' },
    })
  })

  test('of a VM that gc destroyed needs days, and leaves it suspended', async () => {
    const past = inDays(-9).toISOString()
    await changeEntry(store, 'web', one => ({
      ...one,
      phase: 'suspended',
      expiresAt: past,
      history: [...one.history, { at: past, what: 'suspended' }],
    }))
    await destroy()
    expect((await failureOf(() => restoreByName('web', wishes, context))).hint).toBe(
      'zx scripts/vm.mts restore web --days N',
    )
    const back = await restoreByName('web', { ...wishes, days: 3 }, context)
    expect(back.phase).toBe('suspended')
    expect(back).not.toHaveProperty('stopped')
    expect(Date.parse(back.expiresAt!)).toBeGreaterThan(Date.now())
  })

  test('forgets names of volumes: by now another disk of the VM may have them', async () => {
    const known = (await store.find('web'))!
    const backup = { volid: 'local:backup/x', node: 'pve', at: inDays(0).toISOString() }
    const until = inDays(9).toISOString()
    const previous = { volume: 'tank:vm-100-disk-0', version: 'debian-1', until, system: between.system }
    const dataDisks = { data: { volume: 'tank:vm-100-disk-1', firstSystem: 1 } }
    const design = { disks: [{ name: 'data', size: 4 }], dataDisks } as unknown as VmDesign
    const gone = { ...known, backup, previous, rebuild: { ...between, swapped: true as const }, design }
    const back = revived(gone, '', wishes, new Date())
    expect(back).not.toHaveProperty('previous')
    expect(back).not.toHaveProperty('rebuild')
    expect(back.design!.dataDisks).toEqual({ data: { volume: 'tank:', firstSystem: 1 } })
    const now = { scsi0: 'tank:vm-100-disk-1,size=10G', scsi1: 'tank:vm-100-disk-0,serial=data,size=4G' }
    expect(withDisksIn(back.design!, now, 9)).toEqual({
      disks: [{ name: 'data', size: 4 }],
      dataDisks: { data: { volume: 'tank:vm-100-disk-0', firstSystem: 1 } },
    })
  })

  test('says what is taken by now, and does nothing unless told the VMID', async () => {
    const gone = await destroy()
    const other = entry('db', { vmid: 100, address: gone.address, phase: 'active', node: 'pve' })
    await store.add([other], [])
    const failure = await failureOf(() => restoreByName('web', wishes, context))
    expect(failure.message).toBe(
      `web cannot come back as it was (VM 100):\n  - VMID 100 belongs to db\n  - the address ${gone.address} belongs to db`,
    )
    expect([failure.exitCode, failure.hint]).toMatchObject([2, expect.stringContaining('--vmid N')])
    expect(proxmox.vms.size).toBe(0)
    await changeEntry(store, 'db', one => ({ ...one, phase: 'destroyed' }))
    proxmox.vms.set(100, { node: 'pve', status: 'running', config: { name: 'stranger' } })
    expect((await failureOf(() => restoreByName('web', wishes, context))).message).toContain(
      'VMID 100 is taken in Proxmox by another VM',
    )
    const back = await restoreByName('web', { ...wishes, vmid: 123 }, context)
    expect([back.vmid, proxmox.vms.get(123)!.status]).toEqual([123, 'stopped'])
  })

  test('counts against the quotas as a new VM does', async () => {
    await destroy()
    const { connection } = context
    const quotas = { total: { vms: 0 } }
    connection.site = { ...connection.site, pools: async () => ({ ...(await openSite().pools()), quotas }) }
    expect((await failureOf(() => restoreByName('web', wishes, context))).message).toContain(
      'quotas.total.vms is 0',
    )
    expect(await store.list()).toEqual([])
  })

  test.each([
    ['before the VM was there', false],
    ['after it', true],
  ])('that was killed %s goes on, and nothing else touches the VM meanwhile', async (_, isThere) => {
    await destroy()
    const [archived] = await store.listArchived()
    const gone = archived as Parameters<typeof revived>[0]
    await store.add([revived(gone, 'onboot: 1', wishes, new Date())], [])
    if (isThere) proxmox.vms.set(100, { ...proxmox.backups[0]!.vm!, status: 'stopped' })
    expect((await failureOf(() => startByName('web', context))).hint).toContain(
      'zx scripts/vm.mts restore web',
    )
    const before = proxmox.changes.length
    expect(await restoreByName('web', wishes, context)).toMatchObject({ stopped: { startsWithNode: true } })
    expect(proxmox.changes.slice(before)).toEqual(isThere ? [] : ['POST /nodes/pve/qemu'])
    expect(await store.find('web')).not.toHaveProperty('restoring')
  })

  test('that is given up is destroyed without another backup', async () => {
    await destroy()
    const gone = (await store.listArchived())[0] as Parameters<typeof revived>[0]
    await store.add([revived(gone, '', wishes, new Date())], [])
    proxmox.vms.set(100, { ...proxmox.backups[0]!.vm!, status: 'stopped' })
    const again = await destroy()
    expect(again).not.toHaveProperty('restoring')
    expect([proxmox.backups.length, vm()]).toEqual([1, undefined])
  })

  test('is refused for a living VM, for one without a backup, and for a backup of another VM', async () => {
    const fault = async () => (await failureOf(() => restoreByName('web', wishes, context))).message
    expect(await fault()).toBe('web is active: only a destroyed VM is restored')
    await destroy({ safety: 'none' })
    expect(await fault()).toBe('web was destroyed without a backup')
    const record = { volid: 'local:backup/other', node: 'pve', at: inDays(0).toISOString() }
    proxmox.backups.push({
      ...{ volid: record.volid, notes: '', ctime: 1 },
      vm: { node: 'pve', status: 'stopped', config: { name: 'web', description: 'mine' } },
    })
    await store.add([], [entry('web', { phase: 'destroyed', vmid: 100, expiresAt: null, backup: record })])
    expect(await fault()).toBe(
      'local:backup/other is not a backup of web: its notes lack the id of the entry',
    )
  })
})
