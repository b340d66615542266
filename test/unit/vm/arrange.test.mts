import { expect, test } from 'vitest'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import { executeArrangement, planArrangement } from '../../../scripts/lib/vm/stack/arrange.mts'

const network = { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null as number | null }
const net0 = 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,rate=10'
const scsi0 = 'tank:vm-100-disk-0,size=10G'
const plan = (config: Record<string, string>, vlan: number | null = null, disk = 10) =>
  planArrangement({ network: { ...network, vlan }, disk }, { net0, scsi0, ...config })

test('a VM with the right bridge, VLAN and size is left alone', () => {
  expect(plan({})).toEqual({ card: undefined, size: undefined, changes: [] })
  expect(plan({ scsi0: 'tank:vm-100-disk-0,size=10752M' }).size).toBeUndefined()
})

test.each<[string, Record<string, string>, number | null, string, string]>([
  ['a VLAN is set', {}, 7, `${net0},tag=7`, 'VLAN none -> 7'],
  ['a VLAN is taken away', { net0: `${net0},tag=20,mtu=1400` }, null, `${net0},mtu=1400`, 'VLAN 20 -> none'],
  [
    'a bridge is changed in its place',
    { net0: net0.replace('vmbr0', 'vmbr9') },
    null,
    net0,
    'bridge vmbr9 -> vmbr0',
  ],
  ['a card that is gone is added', { net0: '' }, 7, 'virtio,bridge=vmbr0,tag=7', 'bridge none -> vmbr0'],
])('%s, and its other flags stay', (_, config, vlan, card, change) => {
  const { changes, ...planned } = plan(config, vlan)
  expect(planned).toEqual({ card, size: undefined })
  expect(changes.map(({ what, from, to }) => `${what} ${from} -> ${to}`)).toContain(change)
})

test('a disk grows, and never shrinks', () => {
  expect(plan({ scsi0: 'tank:vm-100-disk-0,size=3584M' })).toMatchObject({
    size: 10,
    changes: [{ what: 'disk in GiB', from: '3.5', to: '10', cost: null }],
  })
  expect(plan({ scsi0: 'tank:vm-100-disk-0,size=20G' }).size).toBeUndefined()
})

test.each<[string, string | undefined, (string | undefined)[]]>([
  ['a disk alone', undefined, ['d1']],
  // The change of the card is refused if the digest differs, and makes a new one.
  ['a card, then a disk', net0, ['d1', undefined]],
])('%s: changed only if the config is the one that was read', async (_, card, digests) => {
  const sent: unknown[] = []
  const request: ProxmoxClient['request'] = async (_method, _path, parameters) => {
    sent.push(parameters?.['digest'])
    return null as never
  }
  const vm = { node: 'pve', vmid: 100 }
  const arrangement = { card, size: 20, changes: [] }
  await executeArrangement({ request } as ProxmoxClient, vm, arrangement, { digest: 'd1', timeoutMs: 1 })
  expect(sent).toEqual(digests)
})
