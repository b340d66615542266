import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Seed, seedIso } from '../../../scripts/lib/cloud-init/seed.mts'

const seed: Seed = {
  instanceId: 'id of web-1',
  hostname: 'web-1',
  userData: '#cloud-config\nusers: []\n',
  address: '192.168.122.200/24',
  gateway: '192.168.122.1',
  dns: ['192.168.122.1'],
  searchDomain: undefined,
  mac: 'BC:24:11:00:00:01',
}

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

const lan = async (changes: Partial<Seed>) => parse(await fileWith('version: 2', changes)).ethernets.lan

test('a search domain is in the network configuration, with and without name servers', async () => {
  const own = (changes: Partial<Seed>) => lan({ searchDomain: 'lan.example', ...changes })
  expect((await own({})).nameservers).toEqual({ addresses: ['192.168.122.1'], search: ['lan.example'] })
  expect((await own({ dns: [] })).nameservers).toEqual({ search: ['lan.example'] })
})

test('of IPv6, and without a gateway or a name server', async () => {
  const six = { address: '2001:db8::200/64', gateway: '2001:db8::1' }
  expect((await lan(six)).routes).toEqual([{ to: '::/0', via: '2001:db8::1' }])
  expect((await lan({ ...six, gateway: 'fe80::1' })).routes).toEqual([
    { to: '::/0', via: 'fe80::1', 'on-link': true },
  ])
  expect((await lan({ address: '203.0.113.10/32', gateway: '198.51.100.1' })).routes).toEqual([
    { to: '0.0.0.0/0', via: '198.51.100.1', 'on-link': true },
  ])
  expect(await lan({ gateway: null, dns: [], mac: null })).toEqual({
    match: { name: 'e*' },
    addresses: ['192.168.122.200/24'],
  })
})

test('the same entry gives the same image, so that no apply uploads it again', async () => {
  expect(await seedIso(seed)).toEqual(await seedIso(seed))
})
