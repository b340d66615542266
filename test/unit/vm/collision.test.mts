import { expect, onTestFinished, test } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { VmContext } from '../../../scripts/lib/vm/context.mts'
import { reservedElsewhere } from '../../../scripts/lib/vm/life/collision.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { fakeProxmox } from './fake-proxmox.mts'

const cloudInit = { delivery: 'snippet', storage: 'local', ownFile: true }
const reserved = entry('web-1', {
  ...{ node: 'pve', vmid: 100, vmidPicked: true, phase: 'reserved', token: null },
  design: { cloudInit } as VmDesign,
})

test('a VM that gets another VMID leaves no user-data under its former id', async () => {
  const store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([reserved], [])
  const { connection, changes, vms } = fakeProxmox({
    100: { node: 'pve', status: 'running', config: { name: 'of-somebody-else' } },
  })
  const { signal } = new AbortController()
  const next = await reservedElsewhere('web-1', { store, connection, signal } as unknown as VmContext)
  expect(next).toMatchObject({ name: 'web-1', vmid: 101 })
  expect(next!.id).not.toBe(reserved.id)
  const file = encodeURIComponent(`local:snippets/proxmint-web-1-${reserved.id}.yaml`)
  expect(changes).toEqual([`DELETE /nodes/pve/storage/local/content/${file}`])
  expect(vms.get(100)).toMatchObject({ status: 'running' })
})
