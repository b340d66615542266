/** A rebuild and an undo on the lab's Proxmox, without Terraform: each request of it fails once, before and after it works. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab } from '../../lab/test/pve/client.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { apiError } from '../../scripts/lib/proxmox/errors.mts'
import { getVmConfig, type VmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { shutdownVm } from '../../scripts/lib/proxmox/shutdown-vm.mts'
import { startVm } from '../../scripts/lib/proxmox/start-vm.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import type { Entry, VmDesign } from '../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../scripts/lib/registry/identity.mts'
import { rebuildBegun } from '../../scripts/lib/registry/rebuild.mts'
import type { RegistryStore } from '../../scripts/lib/registry/store.mts'
import type { Connection } from '../../scripts/lib/site/connect.mts'
import type { VmContext } from '../../scripts/lib/vm/context.mts'
import { advanceRebuild } from '../../scripts/lib/vm/rebuild/advance.mts'
import { withSpare } from '../../scripts/lib/vm/rebuild/decide.mts'
import { expirePrevious } from '../../scripts/lib/vm/rebuild/previous.mts'
import { decideUndo } from '../../scripts/lib/vm/rebuild/undo.mts'
import type { Power } from '../../scripts/lib/vm/rebuild/work.mts'
import { failureOf } from '../unit/failure.mts'
import { entry } from '../unit/registry/entries.mts'
import { temporaryFolder } from '../unit/temporary.mts'

const web = { node: 'pve', vmid: 100 }
const design = {
  ...{ template: { vmid: 900, node: 'pve' }, disk: 3, made: ['net0', 'scsi0', 'scsi1'] },
  cloudInit: { sshAuthorizedKeys: ['ssh-ed25519 A'] },
} as unknown as VmDesign
const before = entry('web-1', {
  ...{ ...web, id: 'd2719a4e-7a3c-4b55-9c55-0d3d2f8c1a11', design },
  template: { family: 'debian', version: 'debian-1' },
  history: [{ at: '2026-01-05T10:00:00.000Z', what: 'active' }],
})
const system = {
  template: { family: 'debian', version: 'debian-2' },
  ...{ source: { vmid: 901, node: 'pve' }, cloudInit: design.cloudInit, number: 1 },
}

let lab: TestLab
let store: RegistryStore
/** Requests that change something, and the one of them that fails: before Proxmox gets it, or after. */
let changes: string[]
let failsAt: { number: number; after: boolean } | undefined

beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [{ id: 'tank', type: 'dir', content: ['images'] }],
    },
  })
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  failsAt = undefined
  changes = []
  const task = async (method: string, path: string, body = {}) =>
    expect(await lab.task(method, `/nodes/pve/qemu${path}`, body)).toBe('OK')
  for (const vmid of [900, 901]) {
    await task('POST', '', {
      vmid,
      scsi0: 'tank:2,cache=none',
      net0: 'virtio,bridge=vmbr0',
      boot: 'order=scsi0',
    })
    await task('POST', `/${vmid}/template`)
  }
  await lab.call('PUT', '/nodes/pve/qemu/901/config', { protection: 1, onboot: 1 })
  await task('POST', '', {
    ...{
      vmid: 100,
      name: 'web-1',
      description: `Ask Jane.\n${descriptionOf(before)}`,
      tags: 'proxmint-test',
    },
    ...{ scsi0: 'tank:3,discard=on,serial=mine', scsi1: 'tank:1', net0: 'virtio,bridge=vmbr0' },
    ...{ net1: 'virtio,bridge=vmbr0,tag=20', boot: 'order=scsi0;net0', onboot: 1 },
  })
  await task('POST', '/100/status/start')
  await store?.close()
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  await store.add([before], [])
})
afterAll(() => store?.close())

const request: ProxmoxClient['request'] = async (method, path, given = {}) => {
  const parameters = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const isChange = method !== 'GET'
  const hasBody = method === 'POST' || method === 'PUT'
  const query = hasBody
    ? ''
    : `?${new URLSearchParams(Object.entries(parameters).map(([k, v]) => [k, String(v)]))}`
  const mine = isChange ? changes.push(`${method} ${path}`) : 0
  const fails = isChange && failsAt?.number === mine
  if (fails && !failsAt!.after) throw new Error('cut off')
  const { status, reason, body, data } = await lab.call(method, `${path}${query}`, hasBody ? parameters : {})
  if (fails) throw new Error('cut off')
  if (status >= 400) throw apiError({ method, path, identity: 'root@pam!test', status, reason, body })
  return data
}
const client = { identity: 'root@pam!test', request } as unknown as ProxmoxClient
const connection = {
  client,
  config: { site: 'test', taskTimeoutSeconds: 20 },
  site: { pools: async () => ({ vmidRange: [100, 199], rollbackDays: 7 }) },
} as unknown as Connection
const context = (): VmContext => ({
  ...{ store, connection, checks: connection, signal: new AbortController().signal },
  issuer: () => Promise.reject(new Error('the chain is not asked')),
})

const statusOf = async () => (await lab.get('/nodes/pve/qemu/100/status/current')).data.status
const power: Power = {
  async shutDown(_, vm) {
    if (vm.status === 'stopped') return
    await waitForTask(client, await shutdownVm(client, vm, { seconds: 5, hard: true }), { timeoutMs: 20_000 })
  },
  async start(one) {
    if ((await statusOf()) === 'stopped')
      await waitForTask(client, await startVm(client, web), { timeoutMs: 20_000 })
    return one
  },
  verify: async () => undefined,
}

const found = async (): Promise<Entry> => (await store.find('web-1'))!
const goOn = async () => advanceRebuild(await found(), context(), power)
const config = (): Promise<VmConfig> => getVmConfig(client, web)
const volumes = async (): Promise<string[]> =>
  (await lab.get('/nodes/pve/storage/tank/content')).data.map(({ volid }: { volid: string }) => volid).sort()
const vmids = async () =>
  (await lab.get('/nodes/pve/qemu')).data.map(({ vmid }: { vmid: number }) => vmid).sort()

async function begin(): Promise<void> {
  const { scsi0, boot } = await config()
  await withSpare(await found(), context(), (one, spareVmid) =>
    rebuildBegun(
      one,
      {
        ...{ kind: 'rebuild', from: 'debian-1', to: 'debian-2', spareVmid },
        ...{ disk: String(scsi0), boot: String(boot), system },
      },
      new Date(),
    ),
  )
}

/** Clone, cards, size, shutdown, detach, move, flags, start, end of the spare VM. */
const REBUILD_REQUESTS = [1, 2, 3, 4, 5, 6, 7, 8, 9]
const OLD = 'tank:100/vm-100-disk-0.raw'
const DATA = 'tank:100/vm-100-disk-1.raw'
const NEW = 'tank:100/vm-100-disk-2.raw'
const TEMPLATES = ['tank:900/base-900-disk-0.raw', 'tank:901/base-901-disk-0.raw']

/** The VM runs, is as before but for its root disk, and each volume has a name. */
async function expectRoot(root: string, unused: string): Promise<void> {
  const { digest: _, meta: _meta, vmgenid: _vmgenid, smbios1: _smbios, description, ...all } = await config()
  // Proxmox takes the first free number.
  const isUnused = ([key]: [string, unknown]) => key.startsWith('unused')
  const rest = Object.fromEntries(Object.entries(all).filter(one => !isUnused(one)))
  expect(
    Object.entries(all)
      .filter(isUnused)
      .map(([, volume]) => volume),
  ).toEqual([unused])
  expect(rest).toEqual({
    ...{ name: 'web-1', tags: 'proxmint-test', boot: 'order=scsi0;net0', onboot: 1 },
    ...{ scsi0: `${root},discard=on,serial=mine,size=3G`, scsi1: `${DATA},size=1G` },
    ...{ net0: expect.stringContaining('bridge=vmbr0'), net1: expect.stringContaining('tag=20') },
  })
  expect(description).toContain('Ask Jane.')
  expect(await volumes()).toEqual([OLD, DATA, NEW, ...TEMPLATES])
  expect(await vmids()).toEqual([100, 900, 901])
  expect(await statusOf()).toBe('running')
  expect(await found()).not.toHaveProperty('rebuild')
}

/** Runs `work` with one of its changing requests cut off, and then to its end. @returns whether it had so many. */
async function cutOffAt(number: number, after: boolean, work: () => Promise<unknown>): Promise<boolean> {
  failsAt = { number: changes.length + number, after }
  const failure = await work().then(
    () => undefined,
    error => error,
  )
  failsAt = undefined
  if (failure === undefined) return false
  expect(failure.message).toContain('cut off')
  await work()
  return true
}

test('the VM gets the disk of the other version, with its own flags; everything else stays', async () => {
  await begin()
  await goOn()
  await expectRoot(NEW, OLD)
  expect(await found()).toMatchObject({
    ...{ template: system.template, system: 1 },
    previous: { volume: OLD, version: 'debian-1' },
  })
  await decideUndo(await found(), context())
  await goOn()
  await expectRoot(OLD, NEW)
  expect(await found()).toMatchObject({ template: before.template, previous: { volume: NEW } })
  expect((await found()).design).toEqual(design)
  await expirePrevious(await found(), context())
  expect(await volumes()).toEqual([OLD, DATA, ...TEMPLATES])
  expect(await found()).not.toHaveProperty('previous')
})

describe.each([false, true])('cut off with the answer lost: %s', after => {
  test.each(REBUILD_REQUESTS)('request %d of a rebuild', async number => {
    await begin()
    expect(await cutOffAt(number, after, goOn)).toBe(true)
    await expectRoot(NEW, OLD)
  })

  test.each([1, 2, 3])('request %d of an undo', async number => {
    await begin()
    await goOn()
    await decideUndo(await found(), context())
    expect(await cutOffAt(number, after, goOn)).toBe(true)
    await expectRoot(OLD, NEW)
  })

  test.each(REBUILD_REQUESTS)('request %d of a rebuild, which is then taken back', async number => {
    await begin()
    failsAt = { number: changes.length + number, after }
    const failure = await goOn().then(
      () => undefined,
      error => error,
    )
    failsAt = undefined
    expect(failure?.message).toContain('cut off')
    await decideUndo(await found(), context())
    await goOn()
    const { scsi0, boot } = await config()
    expect([scsi0, boot]).toEqual([`${OLD},discard=on,serial=mine,size=3G`, 'order=scsi0;net0'])
    const { previous } = await found()
    expect(await volumes()).toEqual([
      OLD,
      DATA,
      ...(previous === undefined ? [] : [previous.volume]),
      ...TEMPLATES,
    ])
    expect(await vmids()).toEqual([100, 900, 901])
    expect(await statusOf()).toBe('running')
    expect(await found()).toMatchObject({ template: before.template })
  })
})

test('somebody else took the VMID of the spare VM', async () => {
  await begin()
  const { spareVmid } = (await found()).rebuild!
  await lab.task('POST', '/nodes/pve/qemu', { vmid: spareVmid, name: 'jane' })
  await goOn()
  expect(await vmids()).toEqual([100, spareVmid, 900, 901])
  expect((await lab.get(`/nodes/pve/qemu/${spareVmid}/config`)).data.name).toBe('jane')
})

describe('a volume that left the spare VM and reached no config', () => {
  const allocate = (number: number) =>
    lab.call('POST', '/nodes/pve/storage/tank/content', {
      ...{ vmid: 100, filename: `vm-100-disk-${number}.raw`, size: '3G' },
    })

  beforeEach(async () => {
    await begin()
    // Up to the request that gives the disk away.
    failsAt = { number: 6, after: false }
    await goOn().catch(() => undefined)
    failsAt = undefined
    expect(changes.at(-1)).toContain('/101/move_disk')
    await lab.call('PUT', '/nodes/pve/qemu/101/config', { protection: 0 })
    await lab.task('DELETE', '/nodes/pve/qemu/101')
    await allocate(2)
  })

  test('gets its name', async () => {
    await goOn()
    await expectRoot(NEW, OLD)
  })

  test('is not guessed among several', async () => {
    await allocate(3)
    const failure = await failureOf(goOn)
    expect(failure.message).toContain('proxmint cannot tell which disk is its new one')
    expect(failure.hint).toContain(`qm set 100 --scsi0 '${OLD},discard=on,serial=mine'`)
    // As the hint says.
    await lab.call('PUT', '/nodes/pve/qemu/100/config', { scsi0: `${OLD},discard=on,serial=mine` })
    await decideUndo(await found(), context())
    await goOn()
    expect((await config())['scsi0']).toContain(OLD)
    expect(await found()).toMatchObject({ template: before.template })
  })
})

test('a VM that is protected is left as it is', async () => {
  await begin()
  await goOn()
  await lab.call('PUT', '/nodes/pve/qemu/100/config', { protection: 1 })
  expect((await failureOf(async () => decideUndo(await found(), context()))).message).toContain(
    'is protected',
  )
  await lab.call('PUT', '/nodes/pve/qemu/100/config', { protection: 0 })
  expect(await found()).not.toHaveProperty('rebuild')
})
