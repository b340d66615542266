/** Stops, starts and restarts of VMs: what the registry says, what Proxmox is asked, and what is refused. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { divergencesOf, type Views } from '../../../scripts/lib/registry/divergence.mts'
import { type Entry, isToRun, type VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { changeVm } from '../../../scripts/lib/vm/life/change.mts'
import { changeKeys } from '../../../scripts/lib/vm/life/change-keys.mts'
import { resumeVm, suspendVm } from '../../../scripts/lib/vm/life/expiry.mts'
import { restartByName, startByName, stopByName } from '../../../scripts/lib/vm/life/start-stop.mts'
import { formatVms } from '../../../scripts/lib/vm/look/list.mts'
import type { VmWishes } from '../../../scripts/lib/vm/plan/design.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeProxmox, type FakeVm, fakeProxmox } from './fake-proxmox.mts'

const noIssuer = () => Promise.reject(new Error('the chain is not asked'))
const gently = { seconds: 1, hard: false }
const tomorrow = new Date(Date.now() + 86_400_000).toISOString()

let store: RegistryStore
let proxmox: FakeProxmox
let context: VmContext

async function open(vm: Partial<FakeVm> = {}, changes: Partial<Entry> = {}): Promise<void> {
  // Without a design no guest agent is asked.
  const known = entry('web', { node: 'pve', vmid: 100, phase: 'active', expiresAt: tomorrow, ...changes })
  await store.add([known], [])
  const config = { name: 'web', description: descriptionOf(known), tags: 'proxmint-test', onboot: 1 }
  proxmox = fakeProxmox({ 100: { node: 'pve', status: 'running', config, ...vm } })
  const { connection } = proxmox
  const { signal } = new AbortController()
  context = { store, connection, checks: connection, issuer: noIssuer, signal }
}

beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
})
afterEach(() => store.close())

const vm = () => proxmox.vms.get(100)!
const power = () => [vm().status, vm().config['onboot']]
const web = async () => (await store.find('web'))!

function told(known: Entry): string[] {
  const vms = [{ vmid: 100, name: 'web', node: 'pve', status: vm().status, tags: 'proxmint-test' }]
  const views = { entries: [known], vms, folders: new Map(), revoked: new Map(), now: new Date() }
  const config = { site: 'test', templateVmidRange: [9000, 9899], baseVmidRange: [9900, 9999] }
  const places = { pools: {}, vmidRange: [100, 999] }
  return divergencesOf({ ...views, ...places, config } as unknown as Views)
    .map(({ what }) => what)
    .filter(what => !what.includes('pool'))
}

describe('a stop', () => {
  test('is written down before the guest is asked, and lasts over a restart of the node', async () => {
    await open()
    proxmox.before = async () => {
      expect((await web()).stopped).toEqual({ startsWithNode: true })
    }
    expect(await stopByName('web', gently, context)).toMatchObject({ did: 'stopped' })
    expect(power()).toEqual(['stopped', 0])
    const known = await web()
    expect([known.phase, isToRun(known), told(known)]).toEqual(['active', false, []])
    expect(formatVms([known], new Date())).toContain('active, stopped')
    expect(await stopByName('web', gently, context)).toMatchObject({ did: 'nothing' })
  })

  test('whose guest does not power off in time leaves all as it was, and says how it is forced', async () => {
    await open({ stubborn: true })
    const failure = await failureOf(() => stopByName('web', gently, context))
    expect(failure.message).toContain('web was not stopped, and runs on: task refused of 100 failed')
    expect(failure.hint).toContain('--hard')
    expect(power()).toEqual(['running', 1])
    const known = await web()
    expect(known).not.toHaveProperty('stopped')
    expect([known.failure, told(known)]).toEqual([null, []])
    expect(known.history.at(-1)!.what).toContain('not stopped, it runs on')
    await stopByName('web', { ...gently, hard: true }, context)
    expect(power()).toEqual(['stopped', 0])
  })

  test('whose task fails although the guest powered off is a stop', async () => {
    await open()
    const { request } = proxmox.connection.client
    proxmox.connection.client.request = (async (method: 'GET', path: string, parameters: object) => {
      const answer = await request(method, path, parameters as never)
      return path.endsWith('/status/shutdown') ? String(answer).replace(':work:', ':refused:') : answer
    }) as typeof request
    expect(await stopByName('web', gently, context)).toMatchObject({ did: 'stopped' })
    expect([power(), (await web()).failure]).toEqual([['stopped', 0], null])
  })

  test('that a killed run began is ended by the next, which knows that the VM started with its node', async () => {
    await open({}, { stopped: { startsWithNode: true } })
    vm().config['onboot'] = 0
    expect(told(await web())).toEqual(['`vm stop` powered it off, but VM 100 is running'])
    expect(await stopByName('web', gently, context)).toMatchObject({ did: 'stopped' })
    expect((await web()).stopped).toEqual({ startsWithNode: true })
    await startByName('web', context)
    expect(power()).toEqual(['running', 1])
  })

  test('of a VM whose guest powered itself off is written down', async () => {
    await open({ status: 'stopped' })
    expect(told(await web())).toEqual(['it is active, but VM 100 is stopped'])
    expect(await stopByName('web', gently, context)).toMatchObject({ did: 'stopped' })
    expect([told(await web()), power()]).toEqual([[], ['stopped', 0]])
  })

  test('of a highly available VM needs --hard, since its manager cuts the power', async () => {
    await open({ managed: true })
    expect((await failureOf(() => stopByName('web', gently, context))).message).toContain(
      'high availability manages VM 100 of web',
    )
    expect([proxmox.changes, await web()]).toMatchObject([[], { phase: 'active' }])
    await stopByName('web', { ...gently, hard: true }, context)
    expect(power()).toEqual(['stopped', 0])
  })

  test('is over when the VM is suspended', async () => {
    await open({ status: 'stopped' }, { stopped: { startsWithNode: true } })
    const suspended = await suspendVm(await web(), context)
    expect(suspended).toMatchObject({ phase: 'suspended' })
    expect(suspended).not.toHaveProperty('stopped')
  })
})

test('a VM that proxmint did not make starts with its node again after it was suspended', async () => {
  await open({}, { foreign: true })
  await suspendVm(await web(), context)
  expect([power(), told(await web())]).toEqual([['stopped', 0], []])
  await resumeVm('web', undefined, context)
  expect([power(), (await web()).phase]).toEqual([['running', 1], 'active'])
  expect(await web()).not.toHaveProperty('stopped')
})

test('a VM that proxmint did not make, and that did not start with its node, does not afterwards', async () => {
  await open({}, { foreign: true })
  vm().config['onboot'] = 0
  await suspendVm(await web(), context)
  await resumeVm('web', undefined, context)
  expect(power()).toEqual(['running', 0])
})

describe('while a rebuild is not finished', () => {
  const rebuild: NonNullable<Entry['rebuild']> = {
    ...{ kind: 'rebuild', from: 'debian-1', to: 'debian-2', boot: null, disk: 'tank:vm-100-disk-0' },
    system: { template: null, source: null, cloudInit: {} as VmDesign['cloudInit'] },
  }

  test('a VM that may have no root disk is not started', async () => {
    await open({ status: 'stopped' }, { rebuild, stopped: { startsWithNode: true } })
    const failure = await failureOf(() => startByName('web', context))
    expect(failure.message).toContain('the rebuild of web is not finished')
    expect([power(), proxmox.changes]).toEqual([['stopped', 1], []])
  })

  test('nothing is changed: its end would overwrite that', async () => {
    await open({}, { rebuild })
    const none = { planOnly: false, allowed: new Set<never>() }
    for (const work of [
      () => changeVm('web', {} as VmWishes, none, context),
      () => changeKeys('web', context),
    ])
      expect((await failureOf(work)).message).toBe('web is not finished: it is being rebuilt')
  })
})

describe('a start', () => {
  test('powers a stopped VM on and lets its node start it again', async () => {
    await open()
    await stopByName('web', gently, context)
    expect(await startByName('web', context)).toMatchObject({ did: 'started' })
    expect(power()).toEqual(['running', 1])
    const known = await web()
    expect([isToRun(known), told(known)]).toEqual([true, []])
    expect(known.history.slice(-2).map(({ what }) => what)).toEqual(['stopped', 'started'])
    expect(await startByName('web', context)).toMatchObject({ did: 'nothing' })
  })

  test('leaves a VM alone with its node that was not started by it before', async () => {
    await open()
    vm().config['onboot'] = 0
    await stopByName('web', gently, context)
    await startByName('web', context)
    expect(power()).toEqual(['running', 0])
  })

  test('takes over that somebody started a stopped VM in Proxmox', async () => {
    await open({}, { stopped: { startsWithNode: true } })
    expect(await startByName('web', context)).toMatchObject({ did: 'started' })
    expect(told(await web())).toEqual([])
    expect(proxmox.changes).toEqual(['PUT /nodes/pve/qemu/100/config'])
  })

  test('of an expired VM is refused: gc would suspend it', async () => {
    await open({ status: 'stopped' }, { expiresAt: '2026-01-01T00:00:00.000Z' })
    expect(await failureOf(() => startByName('web', context))).toMatchObject({
      message: 'web expired on 2026-01-01: gc would suspend it again',
      hint: 'first zx scripts/vm.mts extend web --days N',
    })
  })
})

describe('a restart', () => {
  test('says what waits in Proxmox and becomes active', async () => {
    const pending = [
      { key: 'memory', value: '2048', pending: '4096' },
      { key: 'net1', value: 'virtio', delete: 1 },
      { key: 'cores', value: '2' },
    ]
    await open({ pending })
    const { changes } = await restartByName('web', gently, context)
    expect(changes).toEqual([
      { key: 'memory', from: '2048', to: '4096' },
      { key: 'net1', from: 'virtio', to: 'none' },
    ])
    expect(proxmox.changes).toEqual(['POST /nodes/pve/qemu/100/status/reboot'])
    expect((await web()).history.at(-1)!.what).toBe('restarted')
  })

  test('by force powers off and on; without, the VM runs on', async () => {
    await open({ stubborn: true })
    const failure = await failureOf(() => restartByName('web', gently, context))
    expect(failure.message).toContain('got timeout')
    expect([power(), (await web()).failure]).toMatchObject([['running', 1], { step: 'restart' }])
    await restartByName('web', { ...gently, hard: true }, context)
    expect([power(), (await web()).failure]).toEqual([['running', 1], null])
  })

  test.each([
    ['stopped', { stopped: { startsWithNode: true } }, 'web is stopped: there is nothing to restart'],
    ['that its guest powered off', {}, 'VM 100 of web is off, although nobody stopped it here'],
  ])('of a VM %s is refused', async (_, changes, message) => {
    await open({ status: 'stopped' }, changes)
    expect((await failureOf(() => restartByName('web', gently, context))).message).toBe(message)
    expect(proxmox.changes).toEqual([])
  })
})

describe.each([
  ['stop', () => stopByName('web', gently, context)],
  ['start', () => startByName('web', context)],
  ['restart', () => restartByName('web', gently, context)],
])('%s', (_, work) => {
  test.each([
    ['suspended', 'zx scripts/vm.mts resume web --days N'],
    ['created', 'zx scripts/apply.mts web'],
  ] as const)('of a VM that is %s is refused', async (phase, command) => {
    await open({}, { phase })
    expect((await failureOf(() => work())).hint).toContain(command)
    expect(proxmox.changes).toEqual([])
  })

  test('of a VM that Proxmox works on is refused', async () => {
    await open()
    vm().config['lock'] = 'backup'
    expect((await failureOf(() => work())).message).toContain('locked in Proxmox (backup)')
    expect(proxmox.changes).toEqual([])
  })

  test('of a VM that is gone says so', async () => {
    await open()
    proxmox.vms.clear()
    expect((await failureOf(() => work())).message).toBe('VM 100 of web is not in Proxmox any more')
  })
})

test('a VM that is protected in Proxmox can be stopped: that only keeps it from being deleted', async () => {
  await open()
  vm().config['protection'] = 1
  await stopByName('web', gently, context)
  expect(power()).toEqual(['stopped', 0])
})
