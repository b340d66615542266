/** Loads `config/db.yaml`: pools of addresses, VMIDs and lifetimes of VMs. */

import { daysOf, type NEVER } from '../run/duration.mts'
import {
  type AddressRange,
  bitsOf,
  contains,
  formatAddress,
  isLinkLocal,
  networkOf,
  overlap,
  parseAddress,
  parseRange,
} from './addresses.mts'
import { rangeFaults, type SchemaFault } from './schema-faults.mts'
import { readOptionalYamlFile } from './yaml-file.mts'

/** Range of addresses for VMs, with its network. */
export interface Pool {
  name: string
  range: AddressRange
  /** Prefix length of the network. */
  prefix: number
  gateway: string | undefined
  dns: string[]
  /** Bridge of the VMs; undefined: the one in proxmint.yaml. */
  bridge: string | undefined
  vlan: number | undefined
  /** Addresses that no VM gets: gateway and name servers, in canonical notation. */
  reserved: ReadonlySet<string>
}

/** `config/db.yaml` with defaults filled in. */
export interface PoolConfig {
  /** Infinite: VMs never expire. */
  expiryDays: number
  graceDays: number
  /** How long the root disk from before a rebuild is kept. */
  rollbackDays: number
  vmidRange: [number, number]
  defaultPool: string
  pools: Record<string, Pool>
  /** What VMs may take; left out: no limits. */
  quotas?: Quotas
}

/** Limits of what VMs take; one that is left out has none. */
export interface Quota {
  vms?: number
  /** Of all sockets. */
  cores?: number
  /** MiB. */
  memory?: number
  /** GiB: root disks and data disks. */
  disk?: number
}

export interface Quotas {
  /** Of all VMs together. */
  total?: Quota
  /** Of each owner. */
  each_owner?: Quota
  /** Of certain owners, in place of `each_owner`: by their name, or by their wallet. */
  owners?: Record<string, Quota>
}

interface PoolEntry {
  addresses: string
  prefix: number
  gateway?: string
  dns?: string[]
  bridge?: string
  vlan?: number
}

interface PoolFile {
  expiry_days?: number | typeof NEVER
  grace_days?: number
  rollback_days?: number
  vmid_range?: [number, number]
  default_pool?: string
  pools?: Record<string, PoolEntry>
  quotas?: Quotas
}

/** Path of the file, from the project's root; PROXMINT_POOLS names another file. */
export const POOL_FILE = 'config/db.yaml'

const SCHEMA = new URL('../../../config/db.schema.json', import.meta.url)

const DEFAULT_POOLS: Record<string, PoolEntry> = {
  default: {
    addresses: '192.168.122.200-192.168.122.250',
    prefix: 24,
    gateway: '192.168.122.1',
    dns: ['192.168.122.1'],
    bridge: 'vmbr0',
  },
}

/**
 * Loads the pools. Without a file, the values of the sample file apply.
 * @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key.
 */
export async function loadPools(env: NodeJS.ProcessEnv = process.env): Promise<PoolConfig> {
  const file = await readOptionalYamlFile<PoolFile>(
    { variable: 'PROXMINT_POOLS', sample: POOL_FILE, schema: SCHEMA, moreFaults: poolFaults },
    env,
  )
  const entries = file.pools ?? DEFAULT_POOLS
  return {
    expiryDays: daysOf(file.expiry_days ?? 30),
    graceDays: file.grace_days ?? 3,
    rollbackDays: file.rollback_days ?? 7,
    vmidRange: file.vmid_range ?? [100, 999],
    defaultPool: defaultPoolOf(file),
    pools: Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, poolOf(name, entry)])),
    ...(file.quotas !== undefined && { quotas: file.quotas }),
  }
}

function defaultPoolOf(file: PoolFile): string {
  const names = Object.keys(file.pools ?? DEFAULT_POOLS)
  return file.default_pool ?? (names.length === 1 ? names[0]! : 'default')
}

function poolOf(name: string, entry: PoolEntry): Pool {
  const canonical = (text: string): string => formatAddress(parseAddress(text)!)
  const gateway = entry.gateway === undefined ? undefined : canonical(entry.gateway)
  const dns = (entry.dns ?? []).map(canonical)
  return {
    name,
    range: parseRange(entry.addresses)!,
    prefix: entry.prefix,
    gateway,
    dns,
    bridge: entry.bridge,
    vlan: entry.vlan,
    reserved: new Set(gateway === undefined ? dns : [gateway, ...dns]),
  }
}

function poolFaults(file: PoolFile): SchemaFault[] {
  const entries = Object.entries(file.pools ?? DEFAULT_POOLS)
  const faults = [
    ...rangeFaults('vmid_range', file.vmid_range),
    ...entries.flatMap(([name, entry]) => faultsOf(['pools', name], entry)),
  ]
  if (faults.length > 0) return faults
  return [...overlapFaults(entries), ...defaultPoolFaults(file)]
}

function defaultPoolFaults(file: PoolFile): SchemaFault[] {
  const names = Object.keys(file.pools ?? DEFAULT_POOLS)
  const name = defaultPoolOf(file)
  if (names.includes(name)) return []
  const path = file.default_pool === undefined ? ['pools'] : ['default_pool']
  return [{ path, sentence: `default_pool ${name} is not one of the pools: ${names.join(', ')}` }]
}

function faultsOf(path: string[], entry: PoolEntry): SchemaFault[] {
  const fault = (key: string, problem: string): SchemaFault => ({
    path: [...path, key],
    sentence: `${[...path, key].join('.')} ${problem}`,
  })
  const range = parseRange(entry.addresses)
  if (range === undefined) {
    return [
      fault('addresses', `must be FIRST-LAST or CIDR, the smaller address first, not "${entry.addresses}"`),
    ]
  }
  if (entry.prefix > bitsOf(range.family))
    return [fault('prefix', `is more than IPv${range.family} has bits`)]
  const network = networkOf({ family: range.family, value: range.first }, entry.prefix)
  return [
    ...(range.last <= network.last || isPointToPoint(entry.prefix, range.family)
      ? []
      : [fault('addresses', `leaves its own /${entry.prefix} network`)]),
    ...gatewayFaults(entry, network, fault),
    ...(entry.dns ?? [])
      .filter(server => parseAddress(server) === undefined)
      .map(server => fault('dns', `holds "${server}", which is not an address`)),
  ]
}

function gatewayFaults(
  { gateway, prefix }: PoolEntry,
  network: AddressRange,
  fault: (key: string, problem: string) => SchemaFault,
): SchemaFault[] {
  if (gateway === undefined) return []
  const address = parseAddress(gateway)
  if (address === undefined) return [fault('gateway', `must be an address, not "${gateway}"`)]
  const isBeside = isLinkLocal(address) || isPointToPoint(prefix, network.family)
  if (contains(network, address) || (address.family === network.family && isBeside)) return []
  const whole = bitsOf(network.family)
  return [
    fault(
      'gateway',
      `is outside the network of the addresses; if it is reached on the link all the same, set prefix ${whole}`,
    ),
  ]
}

/** Each address is a network of its own: the gateway is beside it, on the link. */
function isPointToPoint(prefix: number, family: 4 | 6): boolean {
  return prefix === bitsOf(family)
}

function overlapFaults(entries: [string, PoolEntry][]): SchemaFault[] {
  return entries.flatMap(([name, entry], index) =>
    entries
      .slice(0, index)
      .filter(([, other]) => overlap(parseRange(entry.addresses)!, parseRange(other.addresses)!))
      .map(([other]) => ({
        path: ['pools', name, 'addresses'],
        sentence: `pools.${name}.addresses overlaps pools.${other}.addresses`,
      })),
  )
}
