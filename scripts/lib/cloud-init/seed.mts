import { isOnLink, parseAddress } from '../config/addresses.mts'
import { isoImage } from './iso9660.mts'
import { cloudInitYaml } from './yaml.mts'

/** Content of a VM's seed. */
export interface Seed {
  /** cloud-init runs again if this id changes. */
  instanceId: string
  hostname: string
  userData: string
  /** Cards that the guest is to set up, net0 first. */
  cards: SeedCard[]
}

/** Network of a card. */
export interface SeedCard {
  /** Null: nobody knows it, and every card of the VM is meant. */
  mac: string | null
  addresses: SeedAddress[]
  dns: string[]
  searchDomain?: string | undefined
  ip?: 'dhcp'
  ip6?: 'dhcp' | 'auto'
}

export interface SeedAddress {
  /** With prefix length. */
  address: string
  gateway: string | null
}

/** Creates a NoCloud seed: user-data, meta-data, and a network configuration (version 2) for the network cards. */
export async function seedIso(seed: Seed): Promise<Uint8Array<ArrayBuffer>> {
  const { stringify } = await import('yaml')
  const written = (document: object): string => stringify(document, cloudInitYaml.write)
  return isoImage('cidata', {
    'user-data': seed.userData,
    'meta-data': written({ 'instance-id': seed.instanceId, 'local-hostname': seed.hostname }),
    'network-config': written({ version: 2, ethernets: ethernetsOf(seed.cards) }),
  })
}

/** The first card is called `lan`, and the others `net1` and so on. A card without an address is left out. */
function ethernetsOf(cards: SeedCard[]): object {
  const named = cards.map((card, number) => [number === 0 ? 'lan' : `net${number}`, card] as const)
  const used = named.filter(
    ([, { addresses, ip, ip6 }]) => addresses.length > 0 || ip !== undefined || ip6 !== undefined,
  )
  return Object.fromEntries(used.map(([name, card]) => [name, networkOf(card)]))
}

function networkOf({ addresses, dns, searchDomain, mac, ip, ip6 }: SeedCard): object {
  const routes = addresses.flatMap(({ address, gateway }) =>
    gateway === null ? [] : [routeOf(address, gateway)],
  )
  return {
    // cloud-init looks up the name of the card by its MAC address: eth0, ens18, enp6s18 ...
    match: mac === null ? { name: 'e*' } : { macaddress: mac.toLowerCase() },
    ...(ip === 'dhcp' && { dhcp4: true }),
    ...(ip6 === 'dhcp' && { dhcp6: true }),
    ...(ip6 === 'auto' && { 'accept-ra': true }),
    ...(addresses.length > 0 && { addresses: addresses.map(({ address }) => address) }),
    ...(routes.length > 0 && { routes }),
    ...nameserversOf(dns, searchDomain),
  }
}

function nameserversOf(dns: string[], searchDomain: string | undefined): object {
  const servers = {
    ...(dns.length > 0 && { addresses: dns }),
    ...(searchDomain !== undefined && { search: [searchDomain] }),
  }
  return Object.keys(servers).length === 0 ? {} : { nameservers: servers }
}

/** Default route. A gateway beside the network of the address is reached on the link. */
function routeOf(address: string, gateway: string): object {
  const [host, prefix] = address.split('/')
  const isBeside = isOnLink(parseAddress(gateway)!, parseAddress(host!)!, Number(prefix))
  return {
    to: address.includes(':') ? '::/0' : '0.0.0.0/0',
    via: gateway,
    ...(isBeside && { 'on-link': true }),
  }
}
