/** Compares a pool of addresses with the bridges of a node. */
import {
  type Address,
  bitsOf,
  contains,
  formatAddress,
  isLinkLocal,
  networkOf,
  parseAddress,
} from '../config/addresses.mts'
import { POOL_FILE, type Pool } from '../config/pools.mts'
import type { Bridge } from '../proxmox/list-bridges.mts'

/** Address of the node on a bridge. */
interface NodeAddress {
  iface: string
  address: Address
  prefix: number
}

/**
 * Lists what does not fit, one sentence each. Proxmox accepts all of it, and the VM is not reached.
 * @param bridge that the pool's VMs are attached to.
 */
export function poolNetworkFaults(pool: Pool, bridge: string, bridges: Bridge[]): string[] {
  const addresses = bridges.flatMap(addressesOf)
  return [
    ...outsideFaults(pool, bridge, addresses),
    ...gatewayFaults(pool, bridge, addresses),
    ...takenFaults(pool, addresses),
  ]
}

/** Name of the setting that decides the bridge of a pool. */
export function bridgeSetBy({ name, bridge }: Pool): string {
  return bridge === undefined
    ? '`bridge` in config/proxmint.yaml'
    : `\`bridge\` of the pool ${name} in ${POOL_FILE}`
}

function addressesOf({ iface, cidr, cidr6 }: Bridge): NodeAddress[] {
  return [cidr, cidr6].flatMap(text => {
    const [host, prefix] = (text ?? '').split('/')
    const address = parseAddress(host ?? '')
    return address === undefined || isLinkLocal(address) ? [] : [{ iface, address, prefix: Number(prefix) }]
  })
}

/** The node may have no address on the bridge, or one of another VLAN: then nothing is known. */
function outsideFaults(pool: Pool, bridge: string, addresses: NodeAddress[]): string[] {
  const { range, prefix, vlan, name } = pool
  const own = addresses.filter(one => one.iface === bridge && one.address.family === range.family)
  if (own.length === 0 || vlan !== undefined || prefix === bitsOf(range.family)) return []
  const first = { family: range.family, value: range.first }
  const last = { family: range.family, value: range.last }
  const holds = (one: NodeAddress): boolean => {
    const network = networkOf(one.address, one.prefix)
    return contains(network, first) && contains(network, last)
  }
  if (own.some(holds)) return []
  const there = own.map(one => cidrOf(one.address, one.prefix)).join(', ')
  return [`the pool ${name} is in ${cidrOf(first, prefix)}, and the bridge ${bridge} is in ${there}`]
}

function gatewayFaults({ gateway, name }: Pool, bridge: string, addresses: NodeAddress[]): string[] {
  const others = addresses.filter(
    ({ iface, address }) => iface !== bridge && formatAddress(address) === gateway,
  )
  return others.map(
    ({ iface }) => `the gateway ${gateway} of the pool ${name} is on ${iface}, and its VMs are on ${bridge}`,
  )
}

function takenFaults({ range, reserved, name }: Pool, addresses: NodeAddress[]): string[] {
  return addresses
    .filter(({ address }) => contains(range, address) && !reserved.has(formatAddress(address)))
    .map(
      ({ iface, address }) =>
        `the pool ${name} hands out ${formatAddress(address)}, which the node itself has on ${iface}`,
    )
}

function cidrOf(address: Address, prefix: number): string {
  const { family, first } = networkOf(address, prefix)
  return `${formatAddress({ family, value: first })}/${prefix}`
}
