import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { formatAddress, parseAddress, parseRange } from '../../../scripts/lib/config/addresses.mts'
import { loadPools } from '../../../scripts/lib/config/pools.mts'
import { loadRegistryUrl } from '../../../scripts/lib/config/registry.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

async function written(text: string): Promise<string> {
  const path = join(await temporaryFolder(), 'file.yaml')
  await writeFile(path, text)
  return path
}

const load = async (text: string) => loadPools({ PROXMINT_POOLS: await written(text) })

test('the commented file holds the defaults', async () => {
  const { pools, ...rest } = await load('')
  const commented = await loadPools({})
  expect(commented).toEqual({ pools, ...rest })
  expect(rest).toEqual({
    expiryDays: 30,
    graceDays: 3,
    rollbackDays: 7,
    vmidRange: [100, 999],
    defaultPool: 'default',
  })
  expect(pools['default']?.reserved).toEqual(new Set(['192.168.122.1']))
})

test('VMs may never expire', async () => {
  expect(await load('expiry_days: never\n')).toMatchObject({ expiryDays: Number.POSITIVE_INFINITY })
  expect(await failureOf(() => load('expiry_days: ever\n'))).toMatchObject({ exitCode: 3 })
})

test.each([
  ['10.0.0.0/29', '10.0.0.1', '10.0.0.6'],
  ['10.0.0.5/29', '10.0.0.1', '10.0.0.6'],
  ['10.0.0.4/31', '10.0.0.4', '10.0.0.5'],
  ['10.0.0.4/32', '10.0.0.4', '10.0.0.4'],
  ['10.0.0.9-10.0.1.2', '10.0.0.9', '10.0.1.2'],
  ['2001:db8::/126', '2001:db8::1', '2001:db8::2'],
  ['2001:db8::f - 2001:db8::1:0', '2001:db8::f', '2001:db8::1:0'],
])('%s goes from %s to %s', (text, first, last) => {
  const range = parseRange(text)!
  const { family } = range
  expect([range.first, range.last].map(value => formatAddress({ family, value }))).toEqual([first, last])
})

test.each(['', '10.0.0.1', '10.0.0.9-10.0.0.1', '10.0.0.1-2001:db8::1', '10.0.0.0/33', '10.0.0.0/x', 'a-b'])(
  '"%s" is no range',
  text => {
    expect(parseRange(text)).toBeUndefined()
  },
)

test.each(['10.1', '0x7f.0.0.1', '010.0.0.1', 'fe80::1%eth0', '1.2.3.4.5', ''])(
  '"%s" is no address',
  text => {
    expect(parseAddress(text)).toBeUndefined()
  },
)

const valid = 'pools: { a: { addresses: 10.0.0.10-10.0.0.20, prefix: 24 } }'

test('a single pool is the default one', async () => {
  expect((await load(valid)).defaultPool).toBe('a')
})

test.each([
  ['vmid_range: [999, 100]', 'line 1: vmid_range must begin with the smaller VMID: [100, 999]'],
  ['pool: {}', 'line 1: pool is not a known key; did you mean pools?'],
  [
    'default_pool: b\npools: { a: { addresses: 10.0.0.0/24, prefix: 24 } }',
    'line 1: default_pool b is not one of the pools: a',
  ],
  [
    'pools:\n  a: { prefix: 24, addresses: 10.0.0.9-10.0.0.1 }',
    'line 2: pools.a.addresses must be FIRST-LAST or CIDR, the smaller address first, not "10.0.0.9-10.0.0.1"',
  ],
  [
    'pools:\n  a: { prefix: 64, addresses: 10.0.0.0/24 }',
    'line 2: pools.a.prefix is more than IPv4 has bits',
  ],
  [
    'pools:\n  a: { prefix: 24, addresses: 10.0.0.9-10.0.1.9 }',
    'line 2: pools.a.addresses leaves its own /24 network',
  ],
  [
    'pools:\n  a: { prefix: 24, addresses: 10.0.0.0/24, gateway: 10.0.1.1 }',
    'line 2: pools.a.gateway is outside the network of the addresses; if it is reached on the link all the same, set prefix 32',
  ],
  [
    'pools:\n  a: { prefix: 24, addresses: 10.0.0.0/24, gateway: "fe80::1" }',
    'line 2: pools.a.gateway is outside the network of the addresses; if it is reached on the link all the same, set prefix 32',
  ],
  [
    'pools:\n  a: { prefix: 64, addresses: 2001:db8::10-2001:db8::20, gateway: "2001:db9::1" }',
    'line 2: pools.a.gateway is outside the network of the addresses; if it is reached on the link all the same, set prefix 128',
  ],
  [
    'pools:\n  a: { prefix: 24, addresses: 10.0.0.0/24, gateway: x }',
    'line 2: pools.a.gateway must be an address, not "x"',
  ],
  [
    'pools:\n  a: { prefix: 24, addresses: 10.0.0.0/24, dns: [x] }',
    'line 2: pools.a.dns holds "x", which is not an address',
  ],
  [
    'pools:\n  a: { prefix: 24, addresses: 10.0.0.0/24 }\n  b: { prefix: 24, addresses: 10.0.0.9-10.0.0.9 }\ndefault_pool: a',
    'line 3: pools.b.addresses overlaps pools.a.addresses',
  ],
])('%j is refused', async (text, fault) => {
  const failure = await failureOf(() => load(text))
  expect(failure.message.split('\n').slice(1)).toEqual([`  - ${fault}`])
  expect(failure).toMatchObject({ exitCode: 3 })
})

test.each([
  [
    'a router that announces itself',
    '{ prefix: 64, addresses: 2001:db8::10-2001:db8::20, gateway: "fe80::1" }',
  ],
  [
    'a gateway beside single addresses',
    '{ prefix: 32, addresses: 203.0.113.10-203.0.113.20, gateway: 198.51.100.1 }',
  ],
  [
    'a gateway beside single addresses of IPv6',
    '{ prefix: 128, addresses: 2001:db8::/120, gateway: "2001:db9::1" }',
  ],
])('%s is taken', async (_, pool) => {
  const { pools } = await load(`pools: { a: ${pool} }`)
  expect(pools['a']!.gateway).toBe(/gateway: "?([^" ]+)/.exec(pool)![1])
})

test('the registry is kept in files unless a URL is configured; the environment wins', async () => {
  const PROXMINT_REGISTRY = await written('url: postgresql://a@db/x')
  expect(await loadRegistryUrl({})).toBeUndefined()
  expect(await loadRegistryUrl({ PROXMINT_REGISTRY })).toBe('postgresql://a@db/x')
  const PROXMINT_REGISTRY_URL = 'postgresql://b:secret@db/y'
  expect(await loadRegistryUrl({ PROXMINT_REGISTRY, PROXMINT_REGISTRY_URL })).toBe(PROXMINT_REGISTRY_URL)
})

test('a password in the file is refused, and not repeated', async () => {
  const PROXMINT_REGISTRY = await written('url: postgresql://a:hunter2@db/x')
  const failure = await failureOf(() => loadRegistryUrl({ PROXMINT_REGISTRY }))
  expect(failure.message).toContain('line 1: url holds a password')
  expect(failure.message).not.toContain('hunter2')
})
