import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { provisionVm } from '../../../scripts/lib/vm/life/create.mts'
import type { VmWishes } from '../../../scripts/lib/vm/plan/design.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { fakeProxmox } from './fake-proxmox.mts'

let store: RegistryStore

beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([entry('web-1', { node: 'pve', phase: 'reserved', token: null })], [])
})

const noDraft = () => Promise.reject(new Error('the VM is reserved already'))

/** Its first step fails: somebody else has the VMID. */
const create = (lost: AbortSignal) => {
  const { connection } = fakeProxmox({ 150: { node: 'pve', status: 'running', config: { name: 'db' } } })
  const exclusively: RegistryStore['exclusively'] = (_name, _purpose, work) =>
    work(lost, async () => !lost.aborted)
  const context = { store: { ...store, exclusively }, connection, signal: new AbortController().signal }
  const options = { apply: true, rollback: true, userSignature: undefined, wishes: {} as VmWishes }
  return failureOf(() => provisionVm('web-1', noDraft, options, context as unknown as VmContext))
}

test('what failed is rolled back where that is wanted', async () => {
  const { message, facts } = await create(new AbortController().signal)
  expect(message).toContain('VMID 150 of web-1 is taken in Proxmox by another VM')
  expect(facts).toHaveProperty('rolled back')
  expect(await store.find('web-1')).toBeUndefined()
})

test('of a VM that may be the one of another run by now, nothing is written', async () => {
  expect((await create(AbortSignal.abort())).facts).not.toHaveProperty('rolled back')
  expect(await store.find('web-1')).toMatchObject({ phase: 'reserved', failure: null })
})
