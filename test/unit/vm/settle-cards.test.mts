import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { settleCards } from '../../../scripts/lib/vm/stack/settle-cards.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'
import { fakeProxmox } from './fake-proxmox.mts'

const held = { pool: 'p', prefix: 24, gateway: null, dns: [] }
const addresses: NonNullable<Entry['addresses']> = [
  { ...held, card: 1, address: '10.9.0.5', leaving: true },
  { ...held, card: 0, address: '2001:db8::5' },
]
const design = {
  cards: [{ bridge: 'vmbr0', vlan: null }],
  made: ['net0', 'net1', 'scsi0'],
  cloudInit: { delivery: 'iso' },
} as unknown as VmDesign
const vm = entry('web-1', { vmid: 100, node: 'pve', addresses, design })

let store: RegistryStore
beforeEach(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  await store.add([vm], [])
})

const settle = async (
  status: 'running' | 'stopped',
  config: Record<string, string>,
  reported?: string[],
  hasSeed = true,
) => {
  const { client } = fakeProxmox({ 100: { node: 'pve', status, config } }).connection
  const telling = {
    ...client,
    request: (method: 'GET', path: string) => {
      if (!path.includes('/agent/')) return client.request(method, path)
      if (reported === undefined) return Promise.resolve({ result: [] })
      const list = reported.map(address => ({ 'ip-address': address, prefix: 24 }))
      return Promise.resolve({ result: [{ name: 'eth0', 'hardware-address': 'x', 'ip-addresses': list }] })
    },
  } as typeof client
  await settleCards(vm, { node: 'pve', vmid: 100, status }, { client: telling }, store, hasSeed)
  const { addresses: left = [], design: now } = (await store.find('web-1'))!
  return { left: left.map(({ address }) => address), made: now!.made }
}
const gone = { left: ['2001:db8::5'], made: ['net0', 'scsi0'] }
const kept = { left: ['10.9.0.5', '2001:db8::5'], made: ['net0', 'net1', 'scsi0'] }

test('an address is free when neither the config nor the guest has it any more', async () => {
  expect(await settle('stopped', { net0: 'virtio' })).toEqual(gone)
})

test('a guest that still has it keeps it', async () => {
  expect(await settle('running', { net0: 'virtio', net1: 'virtio' }, ['10.9.0.5'])).toEqual(kept)
  expect(await settle('stopped', { net1: 'virtio', ipconfig1: 'ip=10.9.0.5/24' })).toEqual(kept)
  expect(await settle('running', { net0: 'virtio' }, ['192.168.122.230'])).toEqual(gone)
})

test('a VM that is off keeps what its seed ISO still has', async () => {
  expect(await settle('stopped', { net0: 'virtio' }, [], false)).toEqual({ ...kept, made: ['net0', 'scsi0'] })
  expect(await settle('running', { net0: 'virtio' }, ['192.168.122.230'], false)).toEqual(gone)
})
