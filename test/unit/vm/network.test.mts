/** The network of a VM that was reserved, and what `apply` makes of a pool that was mended since. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import {
  networkOfPool,
  requireExpressible,
  withNetworkOfToday,
} from '../../../scripts/lib/vm/plan/network.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

let store: RegistryStore
let said: string[]
beforeEach(async () => {
  store = openFileStore({ folder: await temporaryFolder(), purpose: 'test' })
  onTestFinished(() => store.close())
  said = []
  vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    said.push(String(text))
    return true
  })
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

async function site(pool: string) {
  const file = join(await temporaryFolder(), 'db.yaml')
  await writeFile(file, `pools: { default: { ${pool} } }\n`)
  vi.stubEnv('PROXMINT_POOLS', file)
  return openSite()
}

const addresses = 'addresses: 192.168.122.200-192.168.122.250, prefix: 24'
const before = { prefix: 24, gateway: null, dns: [], bridge: 'vmbr9', vlan: null }
const vm = (what: string[], more: object = {}) =>
  entry('web-1', {
    phase: 'reserved',
    design: { network: before, cores: 2 } as unknown as VmDesign,
    history: what.map(one => ({ at: '2026-01-01T00:00:00.000Z', what: one })),
    ...more,
  })

test('one that was never made takes what its pool has by now, and that is said', async () => {
  await store.add([vm([])], [])
  const mended = await site(`${addresses}, bridge: vmbr0, gateway: 192.168.122.1, vlan: 20`)
  const made = await withNetworkOfToday((await store.find('web-1'))!, store, mended)
  expect(made.design).toEqual({
    network: { prefix: 24, gateway: '192.168.122.1', dns: [], bridge: 'vmbr0', vlan: 20 },
    cores: 2,
  })
  expect(await store.find('web-1')).toEqual(made)
  expect(said.join('')).toBe(
    'web-1 was never made, and takes what the pool default has by now: gateway 192.168.122.1 (was none), ' +
      'bridge vmbr0 (was vmbr9), vlan 20 (was none)\n',
  )
})

test.each([
  ['one that was made', vm(['created'])],
  ['one that runs', vm([], { phase: 'active' })],
  ['one whose pool is gone', vm([], { pool: 'lab' })],
])('%s keeps what was decided', async (_, given) => {
  await store.add([given], [])
  const found = (await store.find('web-1'))!
  expect(await withNetworkOfToday(found, store, await site(`${addresses}, bridge: vmbr0`))).toEqual(found)
  expect(said).toEqual([])
})

test('nothing is written or said where nothing differs', async () => {
  const same = await site(`${addresses}, bridge: vmbr9`)
  const { pools } = await same.pools()
  expect(networkOfPool(pools['default']!, { bridge: 'x' })).toEqual(before)
  await store.add([vm([])], [])
  const found = (await store.find('web-1'))!
  expect(await withNetworkOfToday(found, store, same)).toBe(found)
})

test('an IPv4 gateway on the link is refused with Proxmox’s own drive, which cannot say it', async () => {
  const pool = async (text: string) => (await (await site(text)).pools()).pools['default']!
  const beside = await pool('addresses: 203.0.113.10-203.0.113.20, prefix: 32, gateway: 198.51.100.1')
  const delivered = (delivery: 'snippet' | 'iso') => ({ delivery }) as VmDesign['cloudInit']
  expect(await failureOf(async () => requireExpressible(beside, delivered('snippet')))).toMatchObject({
    message: expect.stringContaining(
      'the gateway 198.51.100.1 of the pool default is beside its /32 addresses',
    ),
    exitCode: 3,
  })
  requireExpressible(beside, delivered('iso'))
  const six = await pool('addresses: "2001:db8::10-2001:db8::20", prefix: 64, gateway: "fe80::1"')
  requireExpressible(six, delivered('snippet'))
})
