import { contains, parseAddress } from '../config/addresses.mts'
import type { PoolConfig } from '../config/pools.mts'
import { conflictsOf } from './conflicts.mts'
import { type Entry, phases } from './entry.mts'

/** What is wrong in a registry that can be read, one sentence each. */
export function checkEntries(entries: Entry[], { pools, vmidRange }: PoolConfig): string[] {
  return [
    ...conflictsOf([], entries),
    ...entries.flatMap(entry => checkEntry(entry, pools, vmidRange)),
    ...sharedTokens(entries),
  ]
}

function checkEntry(entry: Entry, pools: PoolConfig['pools'], [first, last]: [number, number]): string[] {
  const { name, phase, vmid, address, expiresAt } = entry
  const pool = pools[entry.pool]
  const parsed = parseAddress(address)
  return [
    ...(phases.includes(phase) && phase !== 'destroyed' ? [] : [`${name}: its phase is ${phase}`]),
    ...(vmid < first || vmid > last
      ? [`${name}: VMID ${vmid} is not in vmid_range, ${first} to ${last}`]
      : []),
    ...(pool === undefined ? [`${name}: its pool ${entry.pool} is not in config/db.yaml any more`] : []),
    ...(pool !== undefined && parsed !== undefined && !contains(pool.range, parsed)
      ? [`${name}: the address ${address} is not in the pool ${pool.name}`]
      : []),
    ...(Number.isNaN(Date.parse(expiresAt)) ? [`${name}: its expiry is ${expiresAt}`] : []),
    ...tokenFaults(entry),
  ]
}

function tokenFaults({ name, phase, token }: Entry): string[] {
  if (token?.status === 'minted' && token.id === null) return [`${name}: it is minted, without a token id`]
  if (phase === 'minted' && token?.status !== 'minted')
    return [`${name}: its phase is minted, its token is not`]
  return []
}

function sharedTokens(entries: Entry[]): string[] {
  const owners = new Map<string, string>()
  return entries.flatMap(({ name, token }) => {
    const id = token?.id ?? null
    if (id === null) return []
    const other = owners.get(id)
    owners.set(id, name)
    return other === undefined ? [] : [`${name}: token ${id} is also the one of ${other}`]
  })
}
