import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Seed, type SeedCard, seedIso } from '../../../scripts/lib/cloud-init/seed.mts'

const seed: Seed = {
  instanceId: 'id of web-1',
  hostname: 'web-1',
  userData: '#cloud-config\nusers: []\n',
  cards: [
    {
      mac: 'BC:24:11:00:00:01',
      addresses: [{ address: '192.168.122.200/24', gateway: '192.168.122.1' }],
      dns: ['192.168.122.1'],
    },
  ],
}
const [card] = seed.cards

/** The file that holds a text, as it stands in the image. */
async function fileWith(text: string, changes: Partial<Seed> = {}): Promise<string> {
  const image = Buffer.from(await seedIso({ ...seed, ...changes })).toString('latin1')
  const start = image.lastIndexOf('\0', image.indexOf(text)) + 1
  return image.slice(start, image.indexOf('\0', start))
}

test('the seed tells the VM its user-data, its name and its address', async () => {
  expect(await fileWith('#cloud-config')).toBe(seed.userData)
  expect(parse(await fileWith('instance-id'))).toEqual({
    'instance-id': 'id of web-1',
    'local-hostname': 'web-1',
  })
  expect(parse(await fileWith('version: 2'))).toEqual({
    version: 2,
    ethernets: {
      lan: {
        match: { macaddress: 'bc:24:11:00:00:01' },
        addresses: ['192.168.122.200/24'],
        routes: [{ to: '0.0.0.0/0', via: '192.168.122.1' }],
        nameservers: { addresses: ['192.168.122.1'] },
      },
    },
  })
})

const lan = async (changes: Partial<SeedCard>) =>
  parse(await fileWith('version: 2', { cards: [{ ...card!, ...changes }] })).ethernets.lan

test('a search domain is in the network configuration, with and without name servers', async () => {
  const own = (changes: Partial<SeedCard>) => lan({ searchDomain: 'lan.example', ...changes })
  expect((await own({})).nameservers).toEqual({ addresses: ['192.168.122.1'], search: ['lan.example'] })
  expect((await own({ dns: [] })).nameservers).toEqual({ search: ['lan.example'] })
})

test('of IPv6, and without a gateway or a name server', async () => {
  const routesOf = async (address: string, gateway: string) =>
    (await lan({ addresses: [{ address, gateway }] })).routes
  expect(await routesOf('2001:db8::200/64', '2001:db8::1')).toEqual([{ to: '::/0', via: '2001:db8::1' }])
  expect(await routesOf('2001:db8::200/64', 'fe80::1')).toEqual([
    { to: '::/0', via: 'fe80::1', 'on-link': true },
  ])
  expect(await routesOf('203.0.113.10/32', '198.51.100.1')).toEqual([
    { to: '0.0.0.0/0', via: '198.51.100.1', 'on-link': true },
  ])
  const addresses = [{ address: '192.168.122.200/24', gateway: null }]
  expect(await lan({ addresses, dns: [], mac: null })).toEqual({
    match: { name: 'e*' },
    addresses: ['192.168.122.200/24'],
  })
})

test('of several cards by their MAC addresses: dual stack, by DHCP, and none for a card without an address', async () => {
  const six = { address: '2001:db8::200/64', gateway: 'fe80::1' }
  const cards: SeedCard[] = [
    { ...card!, addresses: [...card!.addresses, six] },
    { mac: 'BC:24:11:00:00:02', addresses: [], dns: [] },
    { mac: 'BC:24:11:00:00:03', addresses: [], dns: [], ip: 'dhcp', ip6: 'auto' },
    {
      mac: 'BC:24:11:00:00:04',
      addresses: [{ address: '10.9.0.7/24', gateway: null }],
      dns: [],
      ip6: 'dhcp',
    },
  ]
  expect(parse(await fileWith('version: 2', { cards })).ethernets).toEqual({
    lan: {
      match: { macaddress: 'bc:24:11:00:00:01' },
      addresses: ['192.168.122.200/24', '2001:db8::200/64'],
      routes: [
        { to: '0.0.0.0/0', via: '192.168.122.1' },
        { to: '::/0', via: 'fe80::1', 'on-link': true },
      ],
      nameservers: { addresses: ['192.168.122.1'] },
    },
    net2: { match: { macaddress: 'bc:24:11:00:00:03' }, dhcp4: true, 'accept-ra': true },
    net3: { match: { macaddress: 'bc:24:11:00:00:04' }, dhcp6: true, addresses: ['10.9.0.7/24'] },
  })
})

test('the same entry gives the same image, so that no apply uploads it again', async () => {
  expect(await seedIso(seed)).toEqual(await seedIso(seed))
})
