/** Checks of entries: conflicts between them, values outside of the configured ranges, and tokens. */

import { contains, parseAddress } from '../config/addresses.mts'
import type { PoolConfig } from '../config/pools.mts'
import { ownValue } from '../run/own-value.mts'
import { expiryMs } from './due.mts'
import { addressesOf, type Entry, isVmName, phases, tokenKey } from './entry.mts'
import { vmidsOf } from './rebuild.mts'

/** Part of `config/db.yaml` that may change after VMs were created. */
export type Places = Pick<PoolConfig, 'pools' | 'vmidRange'>

/** Lists what is wrong in a registry that can be read, one sentence each. */
export function checkEntries(entries: Entry[], places: Places): string[] {
  return [
    ...conflictsOf([], entries),
    ...entries.flatMap(entry => checkEntry(entry, places)),
    ...sharedTokens(entries),
  ]
}

function checkEntry(entry: Entry, places: Places): string[] {
  const { name, phase, expiresAt } = entry
  return [
    ...(phases.includes(phase) && phase !== 'destroyed' ? [] : [`${name}: its phase is ${phase}`]),
    ...displaced(entry, places).map(fault => `${name}: ${fault}`),
    ...(Number.isNaN(expiryMs(entry)) ? [`${name}: its expiry is ${expiresAt}`] : []),
    ...tokenFaults(entry),
  ]
}

/**
 * Lists why entries cannot be added, one sentence each: two living entries must not share a name, a VMID or an address.
 * @param living entries that are in the registry already.
 */
export function conflictsOf(living: Entry[], added: Entry[]): string[] {
  const names = new Set(living.map(({ name }) => name))
  const vmids = new Map(living.flatMap(entry => vmidsOf(entry).map(vmid => [vmid, entry.name] as const)))
  const addresses = new Map(living.flatMap(one => addressesOf(one).map(address => [address, one.name])))
  return added.flatMap(entry => {
    const { name } = entry
    const shared = vmidsOf(entry).filter(vmid => vmids.has(vmid))
    const conflicts = [
      isVmName(name) ? '' : `"${name}" is not a VM name`,
      names.has(name) ? `${name}: the name is used twice` : '',
      ...shared.map(vmid => `${name}: VMID ${vmid} also belongs to ${vmids.get(vmid)}`),
      ...addressesOf(entry).flatMap(address => addressConflicts(name, address, addresses)),
    ]
    names.add(name)
    for (const vmid of vmidsOf(entry)) vmids.set(vmid, name)
    return conflicts.filter(conflict => conflict !== '')
  })
}

/** @param owners of the addresses so far; this one is added. */
function addressConflicts(name: string, address: string, owners: Map<string, string>): string[] {
  const same = owners.get(address)
  owners.set(address, name)
  return [
    parseAddress(address) === undefined ? `${name}: "${address}" is not an address` : '',
    same === undefined ? '' : `${name}: the address ${address} also belongs to ${same}`,
  ]
}

/** Lists whether VMID and addresses of an entry are outside of the configured ranges, one sentence each. */
export function displaced(entry: Entry, { pools, vmidRange: [first, last] }: Places): string[] {
  const { vmid, addresses = [] } = entry
  // An adopted VM has a number and an address of its own.
  if (entry.foreign) return []
  return [
    ...(vmid < first || vmid > last ? [`VMID ${vmid} is not in vmid_range, ${first} to ${last}`] : []),
    ...[entry, ...addresses].flatMap(one => displacedAddress(one, pools)),
  ]
}

function displacedAddress(
  { address, pool: name }: Pick<Entry, 'address' | 'pool'>,
  pools: Places['pools'],
): string[] {
  const pool = ownValue(pools, name)
  if (pool === undefined) return [`its pool ${name} is not in config/db.yaml any more`]
  const parsed = parseAddress(address)
  if (parsed === undefined || contains(pool.range, parsed)) return []
  return [`the address ${address} is not in the pool ${name}`]
}

function tokenFaults({ name, phase, token }: Entry): string[] {
  if (token?.status === 'minted' && token.id === null) return [`${name}: its minted token has no token id`]
  if (phase === 'minted' && token?.status !== 'minted')
    return [`${name}: its phase is minted, but its token is not`]
  return []
}

function sharedTokens(entries: Entry[]): string[] {
  const owners = new Map<string, string>()
  return entries.flatMap(entry => {
    const { name, token } = entry
    if (token?.id == null) return []
    const key = tokenKey(entry)
    const other = owners.get(key)
    owners.set(key, name)
    return other === undefined ? [] : [`${name}: token ${token.id} also belongs to ${other}`]
  })
}
