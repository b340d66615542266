import { isOnLink, parseAddress } from '../config/addresses.mts'
import { isoImage } from './iso9660.mts'
import { cloudInitYaml } from './yaml.mts'

/** Content of a VM's seed. */
export interface Seed {
  /** cloud-init runs again if this id changes. */
  instanceId: string
  hostname: string
  userData: string
  /** Address with prefix length. */
  address: string
  gateway: string | null
  dns: string[]
  searchDomain: string | undefined
  /** MAC address of the first card, which gets the address. Null: the VM is not made yet, and does not boot with it. */
  mac: string | null
}

/** Creates a NoCloud seed: user-data, meta-data, and a network configuration (version 2) for the first network card. */
export async function seedIso(seed: Seed): Promise<Uint8Array<ArrayBuffer>> {
  const { stringify } = await import('yaml')
  const written = (document: object): string => stringify(document, cloudInitYaml.write)
  return isoImage('cidata', {
    'user-data': seed.userData,
    'meta-data': written({ 'instance-id': seed.instanceId, 'local-hostname': seed.hostname }),
    'network-config': written({ version: 2, ethernets: { lan: networkOf(seed) } }),
  })
}

function networkOf({ address, gateway, dns, searchDomain, mac }: Seed): object {
  return {
    // cloud-init looks up the name of the card by its MAC address: eth0, ens18, enp6s18 ...
    match: mac === null ? { name: 'e*' } : { macaddress: mac.toLowerCase() },
    addresses: [address],
    ...(gateway === null ? {} : { routes: [routeOf(address, gateway)] }),
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
