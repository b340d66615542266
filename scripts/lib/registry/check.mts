import { contains, parseAddress } from '../config/addresses.mts'
import type { PoolConfig } from '../config/pools.mts'
import { conflictsOf } from './conflicts.mts'
import { type Entry, phases, tokenKey } from './entry.mts'

/** What is wrong in a registry that can be read, one sentence each. */
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
    ...(Number.isNaN(Date.parse(expiresAt)) ? [`${name}: its expiry is ${expiresAt}`] : []),
    ...tokenFaults(entry),
  ]
}

/** What VMs may have: the part of `config/db.yaml` that can move away from under those that are there. */
export type Places = Pick<PoolConfig, 'pools' | 'vmidRange'>

/** Which of VMID and address an entry has from a range that is configured no more, one sentence each. */
export function displaced(entry: Entry, { pools, vmidRange: [first, last] }: Places): string[] {
  const { vmid, address } = entry
  const pool = pools[entry.pool]
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
  if (token?.status === 'minted' && token.id === null) return [`${name}: it is minted, without a token id`]
  if (phase === 'minted' && token?.status !== 'minted')
    return [`${name}: its phase is minted, its token is not`]
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
    return other === undefined ? [] : [`${name}: token ${token.id} is also the one of ${other}`]
  })
}
