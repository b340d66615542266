/** Addresses that a `network-config` of version 1, as Proxmox writes it, gives to a card without asking anybody. */
import { parse } from 'yaml'

interface Entry {
  type?: string
  mac_address?: string
  subnets?: { type?: string; address?: string; netmask?: string }[]
}

/** Address in the form of the guest agent. */
interface AgentAddress {
  'ip-address': string
  'ip-address-type': 'ipv4' | 'ipv6'
  prefix: number
}

/** Lists them. A text that is no such configuration, as `cicustom` may name one, has none. @param mac of the card. */
export function staticAddresses(networkConfig: string, mac: string): AgentAddress[] {
  const own = entriesOf(networkConfig).filter(
    ({ mac_address: address }) => address?.toLowerCase() === mac.toLowerCase(),
  )
  return own
    .flatMap(({ subnets = [] }) => subnets)
    .flatMap(({ type = '', address, netmask }) =>
      /^static6?$/.test(type) && address !== undefined ? [addressOf(address, netmask)] : [],
    )
}

function entriesOf(networkConfig: string): Entry[] {
  try {
    const { config } = parse(networkConfig, { version: '1.1' }) as { config?: unknown }
    return Array.isArray(config) ? (config as Entry[]) : []
  } catch {
    return []
  }
}

function addressOf(text: string, netmask: string | undefined): AgentAddress {
  const [address, prefix] = text.split('/')
  const isIpv6 = address!.includes(':')
  return {
    'ip-address': address!,
    'ip-address-type': isIpv6 ? 'ipv6' : 'ipv4',
    prefix: prefix === undefined ? bitsOf(netmask ?? '255.255.255.255') : Number(prefix),
  }
}

/** Counts the bits of `255.255.255.0`. */
function bitsOf(netmask: string): number {
  return netmask
    .split('.')
    .map(part => Number(part).toString(2).replaceAll('0', '').length)
    .reduce((sum, bits) => sum + bits, 0)
}
