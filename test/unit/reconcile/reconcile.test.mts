import { expect, onTestFinished, test } from 'vitest'
import { reconcile } from '../../../scripts/lib/reconcile/reconcile.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { type FakeVm, fakeProxmox } from '../vm/fake-proxmox.mts'

/** Suspended, and running all the same. */
const suspended = (name: string, vmid: number) =>
  entry(name, { node: 'pve', vmid, address: `192.168.122.${vmid + 100}`, phase: 'suspended', token: null })

const running = (name: string): FakeVm => ({
  node: 'pve',
  status: 'running',
  config: { name, description: descriptionOf(entry(name)), tags: 'proxmint-test' },
})

test('a fix that fails keeps neither the others nor the report waiting', async () => {
  const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([suspended('a', 100), suspended('b', 101)], [])
  const proxmox = fakeProxmox({ 100: running('a'), 101: running('b') })
  proxmox.before = async change => {
    if (change.includes('/100/')) throw new Error('no connection')
  }
  const context = { store, connection: proxmox.connection, signal: new AbortController().signal }
  const { findings } = await reconcile(context as unknown as VmContext, true)
  const fixes = findings.filter(({ fix }) => fix === 'power it off')
  expect(fixes).toMatchObject([
    { name: 'a', fixed: false, error: 'no connection' },
    { name: 'b', fixed: true },
  ])
  expect(proxmox.vms.get(101)!.status).toBe('stopped')
})
