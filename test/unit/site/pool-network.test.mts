/** A pool of addresses beside the bridges of a node. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadPools, type Pool } from '../../../scripts/lib/config/pools.mts'
import { poolNetworkFaults } from '../../../scripts/lib/site/pool-network.mts'
import { temporaryFolder } from '../temporary.mts'

async function poolOf(text: string): Promise<Pool> {
  const path = join(await temporaryFolder(), 'db.yaml')
  await writeFile(path, `pools: { lan: ${text} }\n`)
  return (await loadPools({ PROXMINT_POOLS: path })).pools['lan']!
}

const own = '{ addresses: 192.168.1.50-192.168.1.60, prefix: 24, gateway: 192.168.1.1 }'
const vmbr0 = { iface: 'vmbr0', cidr: '192.168.1.9/24', cidr6: 'fe80::9/64' }

test.each<[string, string, object[], string[]]>([
  ['in the bridge’s network', own, [vmbr0], []],
  ['on a bridge without an address', own, [{ iface: 'vmbr0' }], []],
  [
    'in a VLAN, whose network nobody knows',
    own.replace(' }', ', vlan: 20 }'),
    [{ ...vmbr0, cidr: '10.0.0.1/8' }],
    [],
  ],
  [
    'in another network',
    own,
    [{ iface: 'vmbr0', cidr: '192.168.122.1/24' }],
    ['the pool lan is in 192.168.1.0/24, and the bridge vmbr0 is in 192.168.122.0/24'],
  ],
  [
    'half in the bridge’s network',
    '{ addresses: 192.168.1.50-192.168.1.200, prefix: 24 }',
    [{ iface: 'vmbr0', cidr: '192.168.1.9/25' }],
    ['the pool lan is in 192.168.1.0/24, and the bridge vmbr0 is in 192.168.1.0/25'],
  ],
  [
    'with a gateway that is on another bridge',
    own,
    [vmbr0, { iface: 'vmbr1', cidr: '192.168.1.1/32' }],
    ['the gateway 192.168.1.1 of the pool lan is on vmbr1, and its VMs are on vmbr0'],
  ],
  [
    'that hands out the address of the node',
    own,
    [{ iface: 'vmbr0', cidr: '192.168.1.55/24' }],
    ['the pool lan hands out 192.168.1.55, which the node itself has on vmbr0'],
  ],
  [
    'of IPv6 in another network',
    '{ addresses: 2001:db8::10-2001:db8::20, prefix: 64, gateway: "fe80::1" }',
    [{ ...vmbr0, cidr6: '2001:db9::1/64' }],
    ['the pool lan is in 2001:db8::/64, and the bridge vmbr0 is in 2001:db9::/64'],
  ],
  [
    'of IPv6 on a bridge that has IPv4 alone',
    '{ addresses: 2001:db8::10-2001:db8::20, prefix: 64 }',
    [vmbr0],
    [],
  ],
  [
    'of single addresses',
    '{ addresses: 203.0.113.10-203.0.113.20, prefix: 32, gateway: 198.51.100.1 }',
    [vmbr0],
    [],
  ],
])('a pool %s', async (_, text, bridges, faults) => {
  expect(poolNetworkFaults(await poolOf(text), 'vmbr0', bridges as never)).toEqual(faults)
})
