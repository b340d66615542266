import { expect, test } from 'vitest'
import type { Pool, PoolConfig } from '../../../scripts/lib/config/pools.mts'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { type CardWish, planCards } from '../../../scripts/lib/vm/plan/cards.mts'
import { planCardsChange } from '../../../scripts/lib/vm/plan/change-cards.mts'
import { failureOf } from '../failure.mts'
import { entry, pool } from '../registry/entries.mts'

const named = (name: string, range: string, more: Partial<Pool> = {}): Pool => ({
  ...pool(range),
  name,
  ...more,
})
const lan = named('lan', '10.0.0.1-10.0.0.99', { gateway: '10.0.0.254', bridge: 'vmbr1', vlan: 7 })
const lan6 = named('lan6', '2001:db8::1-2001:db8::99', { gateway: 'fe80::1', bridge: 'vmbr1', vlan: 7 })
const store = named('store', '10.9.0.1-10.9.0.99', { gateway: '10.9.0.254' })
const pools = { pools: { lan, lan6, store }, defaultPool: 'lan' } as unknown as PoolConfig
const config = { bridge: 'vmbr0' }
const plan = (wishes: CardWish[], more: { pool?: string; address?: string } = {}) =>
  planCards(wishes, { pools, config, ...more })

test('the first card has the first address, and the network of its pool', () => {
  const { first, cards, further } = plan([{}])
  expect([first.pool.name, first.address, further]).toEqual(['lan', undefined, []])
  expect(cards).toEqual([{ bridge: 'vmbr1', vlan: 7 }])
  expect(plan([{}], { pool: 'store', address: '10.9.0.5' }).first).toEqual({
    pool: store,
    address: '10.9.0.5',
  })
})

test('dual stack, DHCP, and a card with a VLAN and no address', () => {
  const wishes: CardWish[] = [
    { pool: 'lan', pool6: 'lan6' },
    { bridge: 'vmbr2', vlan: 40 },
    { bridge: 'vmbr3', ip: 'dhcp', ip6: 'auto', model: 'e1000', rate: 12.5, firewall: true },
    { pool: 'store', ip: '10.9.0.5', mac: 'BC:24:11:00:00:01', ipfilter: true, firewall: true },
  ]
  const { first, cards, further } = plan(wishes)
  expect(first).toEqual({ pool: lan, address: undefined })
  expect(cards).toEqual([
    { bridge: 'vmbr1', vlan: 7 },
    { bridge: 'vmbr2', vlan: 40 },
    { bridge: 'vmbr3', vlan: null, ip: 'dhcp', ip6: 'auto', model: 'e1000', rate: 12.5, firewall: true },
    { bridge: 'vmbr0', vlan: null, mac: 'BC:24:11:00:00:01', ipfilter: true, firewall: true },
  ])
  expect(further).toEqual([
    { card: 0, pool: lan6, address: undefined, routed: true },
    // IPv4 has its default route by the first card.
    { card: 3, pool: store, address: '10.9.0.5', routed: false },
  ])
})

test('an address finds its pool, in canonical notation; IPv6 alone is enough', () => {
  const { first, further } = plan([{ ip: '10.9.0.7', ip6: '2001:DB8:0::7', bridge: 'vmbr0' }])
  expect([first.pool.name, first.address]).toEqual(['store', '10.9.0.7'])
  expect(further).toEqual([{ card: 0, pool: lan6, address: '2001:db8::7', routed: true }])
  expect(plan([{ pool: 'lan6', ip: 'dhcp' }]).first.pool.name).toBe('lan6')
})

test('a route goes by the first card that has a gateway of its family', () => {
  const isolated = { ...lan, gateway: undefined }
  const own = { pools: { lan: isolated, store }, defaultPool: 'lan' } as unknown as PoolConfig
  const { further } = planCards([{}, { pool: 'store' }], { pools: own, config })
  expect(further).toMatchObject([{ card: 1, routed: true }])
})

test('bridge and VLAN of a pool go together: who names a bridge names the VLAN, too', () => {
  expect(plan([{ pool: 'lan', bridge: 'vmbr9' }]).cards).toEqual([{ bridge: 'vmbr9', vlan: null }])
  expect(plan([{ pool: 'lan', vlan: 8 }]).cards).toEqual([{ bridge: 'vmbr1', vlan: 8 }])
})

test.each<[string, CardWish[], { pool?: string; address?: string }, string]>([
  ['an unknown pool', [{ pool: 'lna' }], {}, 'net0 names the unknown pool lna; did you mean lan?'],
  [
    'an address of no pool',
    [{}, { ip: '192.0.2.1' }],
    {},
    'net1 has the address 192.0.2.1, which is in no pool',
  ],
  [
    'an address of the other family',
    [{ ip6: '10.0.0.1' }],
    {},
    'net0 has 10.0.0.1, which is not an IPv6 address',
  ],
  ['IPv4 as pool6', [{ pool6: 'store' }], {}, 'net0 has pool6=store, which is a pool of IPv4'],
  ['two of IPv6', [{ pool: 'lan6', pool6: 'lan6' }], {}, 'net0 has two pools of IPv6'],
  [
    'an address and DHCP',
    [{}, { pool: 'store', ip: 'dhcp' }],
    {},
    'net1 has both an address of the pool store and ip=dhcp',
  ],
  ['DHCP alone on the first card', [{ ip: 'dhcp' }], {}, 'net0 has no address of a pool'],
  [
    'another --pool',
    [{ pool: 'store' }],
    { pool: 'lan' },
    'net0 has an address of the pool store, and --pool is lan',
  ],
  [
    'another --ip',
    [{ ip: '10.0.0.5' }],
    { address: '10.0.0.6' },
    'net0 has the address 10.0.0.5, and --ip is 10.0.0.6',
  ],
  [
    'two networks',
    [{ ip: '10.9.0.7', pool6: 'lan6' }],
    {},
    'net0 has pools on two networks, vmbr0 and vmbr1, VLAN 7',
  ],
  [
    'a filter of unknown addresses',
    [{}, { ip: 'dhcp', ipfilter: true }],
    {},
    'net1 has `ipfilter`, which needs',
  ],
  [
    'a filter that is off',
    [{ ipfilter: true, firewall: false }],
    {},
    'net0 has `ipfilter` without `firewall`',
  ],
  [
    'an MTU of e1000',
    [{ mtu: 1400, model: 'e1000' }],
    {},
    'net0 has `mtu`, which a e1000 card does not have',
  ],
])('%s is refused', async (_, wishes, more, message) => {
  const failure = await failureOf(async () => plan(wishes, more))
  expect(failure.message).toContain(message)
  expect(failure.exitCode).toBe(2)
})

const network = { prefix: 24, gateway: '10.0.0.254', dns: [], bridge: 'vmbr1', vlan: 7 }
const vm = (more: Partial<Entry> = {}, design: Partial<VmDesign> = {}): Entry =>
  entry('web-1', {
    ...{ pool: 'lan', address: '10.0.0.5', node: 'pve' },
    design: { network, made: ['net0', 'scsi0'], ...design } as VmDesign,
    ...more,
  })
const change = (one: Entry, wishes: CardWish[], more: Record<string, string> = {}) =>
  planCardsChange(
    one,
    wishes,
    { net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=7', ...more },
    { pools, config },
  )

test('a card that is added needs an address that the VM does not have yet; the others stay', () => {
  const { missing, revise } = change(vm(), [{}, { pool: 'store' }])
  expect(missing).toEqual([{ card: 1, pool: store, address: undefined, routed: false }])
  const design = revise(vm()).design!
  expect(design.cards).toEqual([
    { bridge: 'vmbr1', vlan: 7 },
    { bridge: 'vmbr0', vlan: null },
  ])
  expect(design.networks).toEqual([{}, { pool: 'store' }])
  expect(design.made).toEqual(['net0', 'scsi0', 'net1'])
})

const held = { card: 1, pool: 'store', address: '10.9.0.9', prefix: 24, gateway: null, dns: [] }

test('an address that a card has already is kept, and one of a card that goes is marked and stays taken', () => {
  const had = vm(
    { addresses: [held] },
    {
      cards: [
        { bridge: 'vmbr1', vlan: 7 },
        { bridge: 'vmbr0', vlan: null },
      ],
    },
  )
  expect(change(had, [{}, { pool: 'store' }]).missing).toEqual([])
  const { missing, revise } = change(had, [{}])
  expect(missing).toEqual([])
  expect(revise(had).addresses).toEqual([{ ...held, leaving: true }])
  // Changed back before it was gone.
  const back = change(revise(had), [{}, { pool: 'store' }])
  expect(back.missing).toEqual([])
  expect(back.revise(revise(had)).addresses).toEqual([held])
})

test('the first address stays, and a card of somebody else is not taken', async () => {
  expect(await failureOf(async () => change(vm(), [{ pool: 'store' }]))).toMatchObject({
    message: 'the first address of web-1 is 10.0.0.5 of the pool lan, and it stays',
    exitCode: 2,
  })
  const foreign = { net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr9' }
  expect(await failureOf(async () => change(vm(), [{}, {}], foreign))).toMatchObject({
    message: 'somebody added the card net1 to web-1 in Proxmox',
    exitCode: 3,
  })
})
