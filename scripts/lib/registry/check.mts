/** Checks of entries: conflicts between them, values outside of the configured ranges, and tokens. */

import { contains, parseAddress } from '../config/addresses.mts'
import type { PoolConfig } from '../config/pools.mts'
import { ownValue } from '../run/own-value.mts'
import { expiryMs } from './due.mts'
import { type Entry, isVmName, phases, tokenKey } from './entry.mts'

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
  const vmids = new Map(living.map(({ vmid, name }) => [vmid, name]))
  const addresses = new Map(living.map(({ address, name }) => [address, name]))
  return added.flatMap(({ name, vmid, address }) => {
    const [sameVmid, sameAddress] = [vmids.get(vmid), addresses.get(address)]
    const conflicts = [
      isVmName(name) ? '' : `"${name}" is not a VM name`,
      parseAddress(address) === undefined ? `${name}: "${address}" is not an address` : '',
      names.has(name) ? `${name}: the name is used twice` : '',
      sameVmid === undefined ? '' : `${name}: VMID ${vmid} also belongs to ${sameVmid}`,
      sameAddress === undefined ? '' : `${name}: the address ${address} also belongs to ${sameAddress}`,
    ]
    names.add(name)
    vmids.set(vmid, name)
    addresses.set(address, name)
    return conflicts.filter(conflict => conflict !== '')
  })
}

/** Lists whether VMID and address of an entry are outside of the configured ranges, one sentence each. */
export function displaced(entry: Entry, { pools, vmidRange: [first, last] }: Places): string[] {
  const { vmid, address } = entry
  const pool = ownValue(pools, entry.pool)
  const parsed = parseAddress(address)
  return [
    ...(vmid < first || vmid > last ? [`VMID ${vmid} is not in vmid_range, ${first} to ${last}`] : []),
    ...(pool === undefined ? [`its pool ${entry.pool} is not in config/db.yaml any more`] : []),
    ...(pool !== undefined && parsed !== undefined && !contains(pool.range, parsed)
      ? [`the address ${address} is not in the pool ${pool.name}`]
      : []),
  ]
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
