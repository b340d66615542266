/** A restored registry is older than the VMs: one that it has as reserved may run, with data on its disk. */
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { type Entry, movedTo } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { provisionVm } from '../../../scripts/lib/vm/life/create.mts'
import { destroyVm } from '../../../scripts/lib/vm/life/destroy.mts'
import { collectGarbage } from '../../../scripts/lib/vm/life/gc.mts'
import { requireUnused } from '../../../scripts/lib/vm/look/unused.mts'
import type { VmWishes } from '../../../scripts/lib/vm/plan/design.mts'
import { converge } from '../../../scripts/lib/vm/stack/converge.mts'
import { failureOf } from '../failure.mts'
import { entry, now } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeProxmox, fakeProxmox } from './fake-proxmox.mts'

const MESSAGE = 'VM 150 runs, and the registry has web-1 as reserved; it is left as it is'
const reserved = entry('web-1', { node: 'pve', phase: 'reserved', token: null, design: null })

let store: RegistryStore
let proxmox: FakeProxmox
let context: VmContext

beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([reserved], [])
  const config = { name: 'web-1', description: descriptionOf(reserved), scsi0: 'tank:vm-150-disk-0,size=10G' }
  proxmox = fakeProxmox({ 150: { node: 'pve', status: 'running', config } })
  const { connection } = proxmox
  const issuer = () => Promise.reject(new Error('the chain is not asked'))
  context = { store, connection, checks: connection, issuer, signal: new AbortController().signal }
})

test('no run that would make it touches it', async () => {
  const failure = await failureOf(() => converge(reserved, { started: false, intent: 'create' }, context))
  expect(failure).toMatchObject({ message: MESSAGE, exitCode: 3 })
  expect(failure.hint).toContain('zx scripts/registry.mts restore FILE --replace')
  expect(proxmox.changes).toEqual([])
})

test('--rollback does not take it away', async () => {
  const options = { apply: true, rollback: true, userSignature: undefined, wishes: {} as VmWishes }
  const draft = () => Promise.reject(new Error('the VM is reserved already'))
  expect((await failureOf(() => provisionVm('web-1', draft, options, context))).message).toBe(MESSAGE)
  expect(proxmox.changes).toEqual([])
  expect(await store.find('web-1')).toMatchObject({ phase: 'reserved' })
})

test('a VM that is off, and that its first boot made start with its node, is left alone, too', async () => {
  const vm = proxmox.vms.get(150)!
  Object.assign(vm, { status: 'stopped', config: { ...vm.config, onboot: 1 } })
  const failure = await failureOf(() => converge(reserved, { started: false, intent: 'create' }, context))
  expect(failure).toMatchObject({ message: expect.stringContaining('so that it ran before'), exitCode: 3 })
  expect(proxmox.changes).toEqual([])
})

test('gc does not take it away', async () => {
  const long = new Date(Date.parse(reserved.expiresAt!) + 99 * 86_400_000)
  const [outcome] = await collectGarbage({ execute: true, graceDays: 3, now: () => long }, context)
  expect(outcome).toMatchObject({ name: 'web-1', due: 'destroy', result: 'failed', error: MESSAGE })
  expect(proxmox.changes).toEqual([])
})

test('a person who asks for it destroys it', async () => {
  expect(await destroyVm('web-1', context)).toMatchObject({ phase: 'destroyed' })
  expect([...proxmox.vms.keys()]).toEqual([])
})

test.each<[string, Entry, 'running' | 'stopped']>([
  ['a clone that a run left behind is off', reserved, 'stopped'],
  [
    'the old VM of a rebuild runs',
    movedTo(entry('web-1', { template: { family: 'debian', version: 'a' } }), 'b', reserved.design!, now),
    'running',
  ],
  ['a VM that boots is more than reserved', entry('web-1', { phase: 'created' }), 'running'],
])('%s', (_, one, status) => {
  const vm = { node: 'pve', vmid: 150, status, isProtected: false, lock: undefined }
  expect(() => requireUnused(one, vm)).not.toThrow()
})
