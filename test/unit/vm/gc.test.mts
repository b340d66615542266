import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { advance, type VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { destroyVm, removeReplaced } from '../../../scripts/lib/vm/life/destroy.mts'
import { extended, suspendVm } from '../../../scripts/lib/vm/life/expiry.mts'
import {
  collectGarbage,
  comingFor,
  formatGc,
  type GcOutcome,
  gcExitCode,
} from '../../../scripts/lib/vm/life/gc.mts'
import { changeEntry } from '../../change-entry.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeProxmox, type FakeVm, fakeProxmox } from './fake-proxmox.mts'

const day = 86_400_000
/** No VM here has a token. */
const noIssuer = () => Promise.reject(new Error('the chain is not asked'))
const now = new Date('2026-03-10T00:00:00.000Z')
const ago = (days: number) => new Date(now.getTime() - days * day).toISOString()

let store: RegistryStore
let proxmox: FakeProxmox
let context: VmContext

beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  await store.add(
    [
      // Without a design no Terraform is asked.
      entry('old', { node: 'pve', vmid: 100, address: '192.168.122.200', expiresAt: ago(1) }),
      entry('older', {
        node: 'pve',
        vmid: 101,
        address: '192.168.122.201',
        phase: 'suspended',
        expiresAt: ago(9),
        history: [{ at: ago(5), what: 'suspended' }],
      }),
      entry('paid', { node: 'pve', vmid: 102, address: '192.168.122.202', expiresAt: ago(-1) }),
    ],
    [],
  )
  proxmox = fakeProxmox({ 100: vm('old', 'running'), 101: vm('older'), 102: vm('paid', 'running') })
  const { connection } = proxmox
  const { signal } = new AbortController()
  context = { store, connection, checks: connection, issuer: noIssuer, signal }
})

afterEach(() => store.close())

function vm(name: string, status: FakeVm['status'] = 'stopped', changes: Partial<FakeVm> = {}): FakeVm {
  const [description, scsi0] = [descriptionOf(entry(name)), 'tank:vm-disk-0,size=10G']
  const config = { name, description, tags: 'proxmint-test;web', scsi0 }
  return { node: 'pve', status, config, ...changes }
}

const gc = (execute: boolean, graceDays = 3) =>
  collectGarbage({ execute, graceDays, now: () => now }, context)
const results = (outcomes: GcOutcome[]) =>
  Object.fromEntries(outcomes.map(({ name, due, result }) => [name, `${due}: ${result}`]))

test('a dry run tells what is due, and changes nothing', async () => {
  const before = await store.list()
  expect(results(await gc(false))).toEqual({ old: 'suspend: due', older: 'destroy: due' })
  expect(proxmox.changes).toEqual([])
  expect(await store.list()).toEqual(before)
})

test('a dry run tells what becomes due within 7 days, if nobody extends it', async () => {
  await changeEntry(store, 'older', one => ({ ...one, history: [{ at: ago(1), what: 'suspended' }] }))
  await changeEntry(store, 'old', one => ({ ...one, expiresAt: null }))
  const options = { execute: false, graceDays: 3, now: () => now }
  const coming = await comingFor(options, context)
  expect(coming).toEqual([
    { name: 'paid', due: 'suspend', at: ago(-1) },
    { name: 'older', due: 'destroy', at: ago(-2) },
  ])
  const text = formatGc([], false, coming)
  expect(text).toContain('nothing is due')
  expect(text).toMatch(/2026-03-11 +suspend +paid\n2026-03-12 +destroy +older/)
})

test('what expired is suspended, what was suspended for the grace is destroyed, the rest is left alone', async () => {
  expect(results(await gc(true))).toEqual({ old: 'suspend: done', older: 'destroy: done' })
  expect(proxmox.vms.get(100)).toMatchObject({ status: 'stopped', config: { onboot: 0 } })
  expect([...proxmox.vms.keys()]).toEqual([100, 102])
  expect((await store.list()).map(({ name, phase }) => `${name} ${phase}`)).toEqual([
    'old suspended',
    'paid active',
  ])
})

describe('a VM is looked at once', () => {
  const look = (vmid: number) => [
    'GET /cluster/resources',
    `GET /nodes/pve/qemu/${vmid}/status/current`,
    `GET /nodes/pve/qemu/${vmid}/config`,
  ]
  const asked = () => proxmox.questions.filter(question => !question.includes('/tasks/'))

  test('to suspend it', async () => {
    await suspendVm((await store.find('old'))!, context)
    // Once before the phase is written, and once more before it is stopped.
    expect(asked()).toEqual([...look(100), ...look(100)])
  })

  test('to destroy it; then Proxmox is asked whether its number is free', async () => {
    await destroyVm('older', context)
    expect(asked()).toEqual([...look(101), 'GET /nodes/pve/qemu/101/snapshot', 'GET /cluster/nextid'])
  })

  test('to destroy it before it is rebuilt', async () => {
    await removeReplaced((await store.find('older'))!, context)
    expect(asked()).toEqual([...look(101), 'GET /nodes/pve/qemu/101/snapshot', 'GET /cluster/nextid'])
  })
})

describe('what somebody added to a VM', () => {
  const scsi1 = 'tank:vm-101-disk-1,size=4G'

  test.each([
    ['a disk', { config: { scsi1 } }, `disk scsi1 (${scsi1})`],
    ['a detached disk', { config: { unused0: 'tank:vm-101-disk-2' } }, 'disk unused0 (tank:vm-101-disk-2)'],
    ['a snapshot', { snapshots: ['before-upgrade'] }, 'snapshot before-upgrade'],
  ])(
    '%s is never deleted by gc, and the rest is done',
    async (_, { config, ...more }: Partial<FakeVm>, name) => {
      const older = proxmox.vms.get(101)!
      proxmox.vms.set(101, { ...older, ...more, config: { ...older.config, ...config } })
      const outcomes = await gc(true)
      expect(results(outcomes)).toEqual({ old: 'suspend: done', older: 'destroy: failed' })
      expect(outcomes[1]!.error).toBe(`older is left as it is: somebody added ${name} in Proxmox`)
      expect(gcExitCode(outcomes, context.signal)).toBe(7)
      expect(proxmox.changes.filter(change => change.includes('/101'))).toEqual([])
      expect(await store.find('older')).toMatchObject({ phase: 'suspended' })
    },
  )

  test('is deleted by `destroy` only with its word; a card costs none there', async () => {
    Object.assign(proxmox.vms.get(101)!.config, { scsi1, net1: 'virtio,bridge=vmbr1' })
    const refused = await failureOf(() => destroyVm('older', context))
    expect(refused).toMatchObject({
      message: expect.stringContaining(`somebody added disk scsi1 (${scsi1}) in Proxmox`),
      hint: expect.stringContaining('zx scripts/vm.mts destroy older --allow data-loss'),
      exitCode: 3,
    })
    expect(proxmox.vms.has(101)).toBe(true)
    await destroyVm('older', { ...context, allowed: new Set(['data-loss'] as const) })
    expect(proxmox.vms.has(101)).toBe(false)
  })

  test('a data disk that is kept is not deleted by gc, and by `destroy` only with its word', async () => {
    const data = 'tank:vm-101-disk-1,serial=data,size=4G'
    Object.assign(proxmox.vms.get(101)!.config, { scsi1: data })
    const disks = [{ name: 'data', size: 4, keep: true }]
    await changeEntry(store, 'older', one => ({ ...one, design: { disks } as VmDesign }))
    const outcomes = await gc(true)
    expect(outcomes[1]!.error).toBe(
      `older is left as it is: it has data disk data scsi1 (${data}), marked \`keep\``,
    )
    expect(proxmox.vms.has(101)).toBe(true)
    const refused = await failureOf(() => destroyVm('older', context))
    expect(refused.hint).toContain('zx scripts/vm.mts destroy older --allow data-loss')
  })

  test('keeps it from being rebuilt, a card too', async () => {
    Object.assign(proxmox.vms.get(101)!.config, { net1: 'virtio,bridge=vmbr1' })
    const older = (await store.find('older'))!
    const refused = await failureOf(() => removeReplaced(older, context))
    expect(refused.message).toContain('somebody added device net1 (virtio,bridge=vmbr1) in Proxmox')
    expect(refused.hint).toContain('vm.mts rebuild older --allow remove')
    expect(proxmox.vms.has(101)).toBe(true)
  })
})

test('a suspended VM that runs is stopped', async () => {
  await changeEntry(store, 'older', one => ({ ...one, history: [{ at: ago(1), what: 'suspended' }] }))
  proxmox.vms.get(101)!.status = 'running'
  expect(results(await gc(true))).toMatchObject({ older: 'power off: done' })
  expect(proxmox.vms.get(101)!.status).toBe('stopped')
})

test('one that fails does not keep the others waiting', async () => {
  proxmox.before = async change => {
    if (change.includes('/100/')) throw new Error('no connection')
  }
  const outcomes = await gc(true)
  expect(results(outcomes)).toEqual({ old: 'suspend: failed', older: 'destroy: done' })
  expect(outcomes[0]!.error).toBe('no connection')
  expect(await store.find('old')).toMatchObject({ failure: { step: 'suspend', why: 'no connection' } })
})

test('an interrupted run tells what it left undone, and ends as interrupted', async () => {
  const interruption = new AbortController()
  context.signal = interruption.signal
  proxmox.before = async () => interruption.abort()
  const outcomes = await gc(true)
  expect(results(outcomes)).toEqual({ old: 'suspend: done', older: 'destroy: due' })
  expect(gcExitCode(outcomes, context.signal)).toBe(130)
  expect([...proxmox.vms.keys()]).toContain(101)
})

test('why it failed is told also where it cannot be written down', async () => {
  proxmox.before = async change => {
    if (change.includes('/100/')) {
      await changeEntry(store, 'old', one => advance(one, 'destroyed', now))
      throw new Error('no connection')
    }
  }
  expect((await gc(true))[0]).toMatchObject({ name: 'old', result: 'failed', error: 'no connection' })
})

test('one that is gone meanwhile is not said to be renewed', async () => {
  proxmox.before = async () => {
    if (await store.find('older')) await changeEntry(store, 'older', one => advance(one, 'destroyed', now))
  }
  expect(results(await gc(true))).toEqual({ old: 'suspend: done', older: 'destroy: gone' })
})

test.each(['reserved', 'created', 'minted'] as const)(
  'of a VM that is %s, the VM that somebody else made under its number is left alone',
  async phase => {
    await changeEntry(store, 'older', one => ({ ...one, phase }))
    proxmox.vms.get(101)!.config = { name: 'db' }
    expect(results(await gc(true))).toMatchObject({ older: 'destroy: done' })
    expect([...proxmox.vms.keys()]).toContain(101)
    expect(proxmox.changes.filter(change => change.includes('/101'))).toEqual([])
    expect(await store.find('older')).toBeUndefined()
  },
)

test('a VM that is reserved and was renamed in Proxmox is not taken for the VM of somebody else', async () => {
  await changeEntry(store, 'older', one => ({ ...one, phase: 'reserved' }))
  proxmox.vms.get(101)!.config['name'] = 'db'
  expect(results(await gc(true))).toMatchObject({ older: 'destroy: failed' })
  expect(await store.find('older')).toMatchObject({ failure: { step: 'destroy' } })
})

test('a destroy that is refused to a person is no failure of the VM', async () => {
  proxmox.vms.get(101)!.config['protection'] = 1
  expect((await failureOf(() => destroyVm('older', context))).message).toContain('is protected in Proxmox')
  proxmox.vms.get(101)!.config = { name: 'db' }
  expect((await failureOf(() => destroyVm('older', context))).message).toContain('is not older')
  expect(await store.find('older')).toMatchObject({ phase: 'suspended', failure: null })
  expect(proxmox.changes).toEqual([])
})

describe('the user-data of a VM that was never made, in a file', () => {
  const cloudInit = { delivery: 'snippet', storage: 'local' }
  const destroy = async (changes: object, node = 'pve') => {
    await changeEntry(store, 'older', one => ({
      ...one,
      ...{ phase: 'reserved', node, design: { cloudInit: { ...cloudInit, ...changes } } as VmDesign },
    }))
    proxmox.vms.get(101)!.config = { name: 'db' }
    expect(results(await gc(true))).toMatchObject({ older: 'destroy: done' })
    return proxmox.changes.filter(change => change.includes('/storage/')).map(decodeURIComponent)
  }

  test('of the entry alone goes with it', async () => {
    expect(await destroy({ ownFile: true })).toEqual([
      'DELETE /nodes/pve/storage/local/content/local:snippets/proxmint-older-id of older.yaml',
    ])
  })

  test('that another site may have, too, is left alone', async () => {
    expect(await destroy({})).toEqual([])
  })

  test('on a node that left the cluster is not asked for', async () => {
    expect(await destroy({ ownFile: true }, 'pve9')).toEqual([])
  })
})

describe('a VM that somebody protected or locked in Proxmox is left alone', () => {
  test.each([
    ['protection', { protection: 1 }, 'is protected in Proxmox', 'on pve: qm set 10N --protection 0'],
    ['a backup', { lock: 'backup' }, 'is locked in Proxmox (backup)', 'on pve: qm unlock 10N'],
    ['a migration', { lock: 'migrate' }, 'is locked in Proxmox (migrate)', 'on pve: qm unlock 10N'],
  ])('by %s', async (_, barrier, why, command) => {
    for (const vmid of [100, 101]) Object.assign(proxmox.vms.get(vmid)!.config, barrier)
    const outcomes = await gc(true)
    expect(results(outcomes)).toEqual({ old: 'suspend: failed', older: 'destroy: failed' })
    expect(gcExitCode(outcomes, context.signal)).toBe(7)
    expect(outcomes[1]!.error).toContain(why)
    expect(proxmox.changes).toEqual([])
    expect(await store.find('old')).toMatchObject({ phase: 'active', failure: { step: 'suspend' } })
    expect(await store.find('older')).toMatchObject({ phase: 'suspended', failure: { step: 'destroy' } })
    const refused = await failureOf(() => destroyVm('older', context))
    expect(refused).toMatchObject({ hint: expect.stringContaining(command.replace('10N', '101')) })
    expect(proxmox.changes).toEqual([])
  })
})

test('suspend stops the VM that is there after the phase was written, not another', async () => {
  const entries = { ...context, store: { ...store } }
  entries.store.change = async (read, revise) => {
    const changed = await store.change(read, revise)
    proxmox.vms.set(100, { node: 'pve', status: 'running', config: { name: 'db' } })
    return changed
  }
  const failure = await failureOf(async () => suspendVm((await store.find('old'))!, entries))
  expect(failure).toMatchObject({ message: expect.stringContaining('VM 100 is not old') })
  expect(proxmox.vms.get(100)!.status).toBe('running')
  expect(proxmox.changes).toEqual([])
})

describe('defects of the predecessor that must not return', () => {
  test.each<[string, (found: FakeVm) => void, string]>([
    ['its name', found => Object.assign(found.config, { name: 'db' }), 'its name is db'],
    [
      'its entry id',
      found => Object.assign(found.config, { description: '' }),
      'its notes lack "Entry id of older."',
    ],
    ['the tag of the site', found => Object.assign(found.config, { tags: 'web' }), 'it lacks the tag'],
  ])("gc acted on another VM's id: refused by %s", async (_, change, why) => {
    change(proxmox.vms.get(100)!)
    change(proxmox.vms.get(101)!)
    expect(results(await gc(true))).toEqual({ old: 'suspend: failed', older: 'destroy: failed' })
    expect(proxmox.changes).toEqual([])
    expect(await store.find('old')).toMatchObject({ phase: 'active', vmid: 100 })
    expect((await store.find('older'))?.failure?.why).toContain(`VM 101 is not older: ${why}`)
  })

  test('a renewal raced the destroy: renewed while gc is at another VM, it wins', async () => {
    let renewed = false
    proxmox.before = async () => {
      if (!renewed) await changeEntry(store, 'older', one => extended(one, 30, now))
      renewed = true
    }
    expect(results(await gc(true))).toEqual({ old: 'suspend: done', older: 'destroy: renewed' })
    expect([...proxmox.vms.keys()]).toContain(101)
  })

  test('gc freed an address while the VM may still run: not where the token cannot see the VM', async () => {
    proxmox.vms.get(101)!.hidden = true
    expect(results(await gc(true))).toMatchObject({ older: 'destroy: failed' })
    expect(await store.find('older')).toMatchObject({ address: '192.168.122.201' })
  })

  test('gc freed an address while the VM may still run: it is found on the node it was migrated to', async () => {
    proxmox.vms.get(101)!.node = 'pve2'
    expect(results(await gc(true))).toMatchObject({ older: 'destroy: done' })
    expect(proxmox.changes).toContain('DELETE /nodes/pve2/qemu/101')
    expect(await store.find('older')).toBeUndefined()
  })

  test('gc freed an address while the VM may still run: not where Proxmox fails to delete it', async () => {
    proxmox.before = async change => {
      if (change.startsWith('DELETE')) throw new Error('storage is busy')
    }
    expect(results(await gc(true))).toMatchObject({ older: 'destroy: failed' })
    expect(await store.find('older')).toMatchObject({ failure: { step: 'destroy', why: 'storage is busy' } })
  })

  test('gc had no run lock: a second run is refused', async () => {
    let second: Promise<unknown> | undefined
    proxmox.before = async () => {
      second ??= failureOf(() => gc(true))
      await second
    }
    await gc(true)
    expect(await second).toMatchObject({ exitCode: 5 })
  })

  test('the configured grace was ignored', async () => {
    expect(results(await gc(false, 6))).toEqual({ old: 'suspend: due' })
    expect(results(await gc(false, 5))).toEqual({ old: 'suspend: due', older: 'destroy: due' })
  })
})
