import { expect, test } from 'vitest'
import type { CardDesign, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { addressEdits } from '../../../scripts/lib/vm/shape/card-addresses.mts'
import { cardEdits } from '../../../scripts/lib/vm/shape/cards.mts'
import { changesIn, type Edit } from '../../../scripts/lib/vm/shape/edit.mts'
import { filterEdits } from '../../../scripts/lib/vm/shape/ip-filters.mts'

const network = { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null }
const first: CardDesign = { bridge: 'vmbr0', vlan: null }
const net0 = 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,queues=4'
const net1 = 'virtio=BC:24:11:00:00:02,bridge=vmbr1,tag=20,mtu=1400,link_down=1'
const words = (edits: Edit[]) =>
  changesIn(edits).map(
    ({ what, from, to, cost }) => `${what} ${from} -> ${to}${cost === null ? '' : `, ${cost}`}`,
  )
const textsOf = (edits: Edit[], key: string) => [...new Set(edits.map(({ set }) => set?.[key]))]

const edits = (card: Partial<CardDesign>, config: Record<string, string> = {}) =>
  cardEdits({ network, cards: [first, { bridge: 'vmbr1', vlan: 20, ...card }] }, { net0, net1, ...config })

test('cards that are as wished are left alone, whatever else they have', () => {
  expect(edits({})).toEqual([])
  expect(edits({ mac: 'bc:24:11:00:00:02', mtu: 1400, model: 'virtio', rate: 0, firewall: false })).toEqual(
    [],
  )
})

test.each<[string, Partial<CardDesign>, string, string]>([
  [
    'VLAN',
    { vlan: null },
    'net1 VLAN 20 -> none',
    'virtio=BC:24:11:00:00:02,bridge=vmbr1,mtu=1400,link_down=1',
  ],
  ['bridge', { bridge: 'vmbr2' }, 'net1 bridge vmbr1 -> vmbr2', net1.replace('vmbr1', 'vmbr2')],
  ['rate', { rate: 12.5 }, 'net1 rate 0 -> 12.5', `${net1},rate=12.5`],
  ['firewall', { firewall: true }, 'net1 firewall off -> on', `${net1},firewall=1`],
  ['MTU', { mtu: 9000 }, 'net1 MTU 1400 -> 9000, remove', net1.replace('1400', '9000')],
  ['model', { model: 'e1000' }, 'net1 model virtio -> e1000, remove', net1.replace('virtio', 'e1000')],
  [
    'MAC address',
    { mac: 'bc:24:11:00:00:0f' },
    'net1 MAC address BC:24:11:00:00:02 -> BC:24:11:00:00:0F, remove',
    net1.replace('00:02', '00:0F'),
  ],
])('another %s changes that alone, at its cost', (_, card, change, text) => {
  expect(words(edits(card))).toEqual([change])
  expect(textsOf(edits(card), 'net1')).toEqual([text])
})

test('several changes of a card are one text', () => {
  const changed = edits({ bridge: 'vmbr2', vlan: null, rate: 5 })
  expect(words(changed)).toHaveLength(3)
  expect(textsOf(changed, 'net1')).toEqual([
    'virtio=BC:24:11:00:00:02,bridge=vmbr2,mtu=1400,link_down=1,rate=5',
  ])
})

test('a new card has the values of the design', () => {
  const added = edits({ model: 'e1000', mac: 'BC:24:11:00:00:09' }, { net1: '' })
  expect(textsOf(added, 'net1')).toEqual(['e1000=BC:24:11:00:00:09,bridge=vmbr1,tag=20'])
  expect(words(added)).toContain('net1 bridge none -> vmbr1')
  expect(changesIn(added).every(({ cost }) => cost === null)).toBe(true)
})

test('the first bridge of a card without one unplugs the card, as Proxmox does', () => {
  const bare = 'virtio=BC:24:11:00:00:02,tag=20'
  expect(words(edits({}, { net1: bare }))).toEqual(['net1 bridge none -> vmbr1, remove'])
})

test('a card too many is removed if proxmint made it; that of somebody else stays', () => {
  const one = (made: string[]) =>
    cardEdits({ network, cards: [first], made }, { net0, net1, net2: net1, ipconfig1: 'ip=dhcp' })
  expect(words(one(['net0', 'net1']))).toEqual(['net1 vmbr1 -> none, remove'])
  expect(one(['net0', 'net1'])[0]!.remove).toEqual(['net1', 'ipconfig1'])
  expect(one(['net0'])).toEqual([])
  // Where nobody decided about cards, those of the VM template stay.
  expect(cardEdits({ network, made: ['net0', 'net1'] }, { net0, net1 })).toEqual([])
})

const address = (card: number, text: string, more = {}) => ({
  ...{
    card,
    pool: 'p',
    address: text,
    prefix: text.includes(':') ? 64 : 24,
    gateway: null,
    dns: [],
    ...more,
  },
})
const addressed = {
  address: '10.0.0.5',
  addresses: [address(0, '2001:db8::5', { gateway: 'fe80::1' }), address(1, '10.9.0.5')],
}
const snippet = { delivery: 'snippet' } as VmDesign['cloudInit']
const cards: CardDesign[] = [first, { bridge: 'vmbr1', vlan: null }]
const placed = (config: Record<string, string>, wanted = cards, cloudInit = snippet) =>
  addressEdits({ cards: wanted, cloudInit }, addressed, {
    ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1',
    ...config,
  })

test('the second family of the first card is added, and the first stays as Terraform wrote it', () => {
  const found = placed({})
  expect(words(found)).toEqual([
    'net0 address none -> 2001:db8::5/64 by fe80::1, reboot',
    'net1 address none -> 10.9.0.5/24, reboot',
  ])
  expect(found.map(({ set }) => set)).toEqual([
    { ipconfig0: 'ip=10.0.0.5/24,gw=10.0.0.1,ip6=2001:db8::5/64,gw6=fe80::1' },
    { ipconfig1: 'ip=10.9.0.5/24' },
  ])
})

test('addresses that are there are left alone, in whatever order', () => {
  const ipconfig0 = 'gw=10.0.0.1,gw6=fe80::1,ip=10.0.0.9/24,ip6=2001:db8::5/64'
  expect(placed({ ipconfig0, ipconfig1: 'ip=10.9.0.5/24' })).toEqual([])
})

test('a card without an address loses the one that it has, and DHCP is written', () => {
  const dynamic: CardDesign[] = [
    first,
    cards[1]!,
    { bridge: 'b', vlan: null },
    { bridge: 'b', vlan: null, ip: 'dhcp', ip6: 'auto' },
  ]
  const found = placed({ ipconfig2: 'ip=10.1.0.9/24' }, dynamic)
  expect(words(found).slice(2)).toEqual([
    'net2 address 10.1.0.9/24 -> none, reboot',
    'net3 address none -> dhcp and auto, reboot',
  ])
  expect(found[2]!.remove).toEqual(['ipconfig2'])
  expect(found[3]!.set).toEqual({ ipconfig3: 'ip=dhcp,ip6=auto' })
})

test('an address that leaves is taken away, and a seed ISO has the addresses itself', () => {
  const leaving = { ...addressed, addresses: [address(1, '10.9.0.5', { leaving: true as const })] }
  const ipconfig1 = 'ip=10.9.0.5/24'
  expect(words(addressEdits({ cards, cloudInit: snippet }, leaving, { ipconfig1 }))).toEqual([
    'net1 address 10.9.0.5/24 -> none, reboot',
  ])
  expect(placed({}, cards, { ...snippet, delivery: 'iso' })).toEqual([])
})

test('the filter of a card has its addresses alone', () => {
  const own: CardDesign[] = [
    { ...first, ipfilter: true },
    { ...cards[1]!, ipfilter: false },
    { bridge: 'b', vlan: null },
  ]
  const has = new Map([
    ['ipfilter-net0', ['10.0.0.5', '10.0.0.77']],
    ['ipfilter-net1', ['10.9.0.5']],
    ['ipfilter-net2', ['192.0.2.1']],
  ])
  const found = filterEdits({ cards: own }, addressed, has)
  expect(words(found)).toEqual([
    'net0 ipfilter 10.0.0.5 10.0.0.77 -> 10.0.0.5 2001:db8::5',
    'net1 ipfilter 10.9.0.5 -> none',
  ])
  expect(found.map(({ ipSet }) => ipSet?.wanted)).toEqual([['10.0.0.5', '2001:db8::5'], undefined])
  const aligned = new Map([['ipfilter-net0', ['2001:db8::5', '10.0.0.5']]])
  expect(filterEdits({ cards: own }, addressed, aligned)).toEqual([])
})
