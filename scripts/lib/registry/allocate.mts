import { randomUUID } from 'node:crypto'
import { type Address, contains, formatAddress, parseAddress } from '../config/addresses.mts'
import type { Pool } from '../config/pools.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { addressesOf, type CardAddress, type Entry, isVmName, withEvent } from './entry.mts'
import { requireQuota } from './quota.mts'
import type { Limits, UnknownVm, WantedAddress, WantedEntry } from './store.mts'

/** Names, VMIDs and addresses of the living entries, as a store looks them up. */
export interface Held {
  hasName(name: string): Promise<boolean>
  /** Name of the entry that has the VMID, for itself or for a spare VM. */
  ownerOfVmid(vmid: number): Promise<string | undefined>
  ownerOfAddress(address: string): Promise<string | undefined>
  /** All of them; it is asked for only where there are quotas. */
  entries(): Promise<readonly Entry[]>
  /** Tells which VMIDs from `first` to `last` are taken. */
  vmidsBetween(first: number, last: number): Promise<(vmid: number) => boolean>
  /** Tells which addresses from `first` to `last` are taken, in canonical notation. */
  addressesBetween(first: Address, last: Address): Promise<(address: string) => boolean>
}

/**
 * Numbers that were assigned last, decimal: the VMID under `vmid`, an address under the name of its pool. The search
 * for a free number continues there and wraps around. So a freed address is not reused at once (ARP caches and
 * known_hosts files still know its old VM), and the search takes the same time however many numbers are taken.
 */
export type Cursors = Record<string, string>

const VMID_CURSOR = 'vmid'
/** Numbers that are read from the store together. */
const WINDOW_SIZE = 256n
const CHOOSE_ANOTHER = 'choose another, or leave the option out'

/** Makes an entry for each VM to reserve, with a VMID and its addresses. Changes the cursors in place. */
export async function allocate(
  wanted: WantedEntry[],
  limits: Limits,
  held: Held,
  cursors: Cursors,
): Promise<Entry[]> {
  const entries: Entry[] = []
  for (const one of wanted) {
    const together = withEntries(held, entries)
    await requireName(one.name, together, limits)
    const vmid = await vmidFor(one, limits, together, cursors)
    const address = await addressFor(one, together, cursors, limits)
    const entry = entryOf(one, vmid, address, limits.now)
    entries.push(await withFurther(entry, one.further ?? [], limits, together, cursors))
  }
  if (limits.quotas !== undefined) requireQuota(limits.quotas, await held.entries(), entries)
  return entries
}

/**
 * Returns the entry with further addresses behind those that it has. Changes the cursors in place.
 * @param held by entries of the store: those of the entry itself may be among them.
 * @throws ProxmintError (usage) if an address is invalid or taken, (failed) if a pool is exhausted.
 */
export async function withFurther(
  entry: Entry,
  wanted: readonly WantedAddress[],
  limits: Pick<Limits, 'unknown'>,
  held: Held,
  cursors: Cursors,
): Promise<Entry> {
  let grown = entry
  for (const one of wanted) {
    const address = await addressFor(one, withEntries(held, [grown]), cursors, limits)
    grown = { ...grown, addresses: [...(grown.addresses ?? []), cardAddress(one, address)] }
  }
  return grown
}

function cardAddress({ card, pool, routed }: WantedAddress, address: string): CardAddress {
  const { name, prefix, gateway, dns } = pool
  return { card, pool: name, address, prefix, gateway: routed ? (gateway ?? null) : null, dns }
}

function entryOf(
  { pool, further: _, ...about }: WantedEntry,
  vmid: number,
  address: string,
  now: Date,
): Entry {
  const at = now.toISOString()
  const history = [{ at, what: 'reserved' }]
  return {
    ...about,
    id: randomUUID(),
    phase: 'reserved',
    vmid,
    ...(about.vmid === undefined && { vmidPicked: true as const }),
    address,
    pool: pool.name,
    failure: null,
    createdAt: at,
    history,
  }
}

/**
 * Entry for a VM whose reserved VMID another VM in Proxmox has: with another VMID and a new id. Name, address,
 * expiry and date of the reservation stay. Changes the cursors in place.
 * @throws ProxmintError if every VMID is taken.
 */
export async function renumbered(
  { revision: _, ...entry }: Entry,
  limits: Limits,
  held: Held,
  cursors: Cursors,
): Promise<Entry> {
  const { now } = limits
  const takenVmids = new Set([...limits.takenVmids, entry.vmid])
  const vmid = await vmidFor({ vmid: undefined }, { ...limits, takenVmids }, held, cursors)
  const begun = { ...entry, id: randomUUID(), vmid, failure: null }
  return withEvent(begun, `VMID ${entry.vmid} is taken in Proxmox by another VM: reserved ${vmid}`, now)
}

/**
 * Picks a free VMID for the spare VM of an entry. Changes the cursors in place.
 * @throws ProxmintError if every VMID is taken.
 */
export function pickVmid(limits: Limits, held: Held, cursors: Cursors): Promise<number> {
  return vmidFor({ vmid: undefined }, limits, held, cursors)
}

/** Adds the entries of this reservation to those that the store holds. */
function withEntries(held: Held, entries: Entry[]): Held {
  const find = (test: (entry: Entry) => boolean): string | undefined => entries.find(test)?.name
  return {
    hasName: async name => entries.some(entry => entry.name === name) || held.hasName(name),
    entries: async () => [...(await held.entries()), ...entries],
    ownerOfVmid: async vmid => find(entry => entry.vmid === vmid) ?? held.ownerOfVmid(vmid),
    ownerOfAddress: async address =>
      find(entry => addressesOf(entry).includes(address)) ?? held.ownerOfAddress(address),
    vmidsBetween: async (first, last) => {
      const isTaken = await held.vmidsBetween(first, last)
      return vmid => isTaken(vmid) || entries.some(entry => entry.vmid === vmid)
    },
    addressesBetween: async (first, last) => {
      const isTaken = await held.addressesBetween(first, last)
      const own = new Set(entries.flatMap(addressesOf))
      return address => isTaken(address) || own.has(address)
    },
  }
}

async function requireName(name: string, held: Held, { unknown = [] }: Limits): Promise<void> {
  if (!isVmName(name)) {
    throw refused(
      `"${name}" is not a VM name`,
      'use a host name: a to z, 0 to 9 and hyphens inside, at most 63 characters',
    )
  }
  if (await held.hasName(name)) {
    throw refused(`the name ${name} is taken`, `zx scripts/vm.mts show ${name}`)
  }
  const other = unknown.find(vm => vm.name === name)
  if (other !== undefined) throw unknownHas(`the name ${name}`, other)
}

async function vmidFor(
  wanted: Pick<WantedEntry, 'vmid'>,
  limits: Limits,
  held: Held,
  cursors: Cursors,
): Promise<number> {
  const [first, last] = limits.vmidRange
  if (wanted.vmid !== undefined) return requireVmid(wanted.vmid, limits, held)
  const picked = await pick(
    { first: BigInt(first), last: BigInt(last) },
    cursors[VMID_CURSOR],
    async (from, to) => {
      const isTaken = await held.vmidsBetween(Number(from), Number(to))
      return number => isTaken(Number(number)) || limits.takenVmids.has(Number(number))
    },
  )
  if (picked === undefined) {
    throw new ProxmintError(`every VMID from ${first} to ${last} is taken`, {
      hint: 'destroy VMs that are not needed any more, or widen vmid_range in config/db.yaml',
    })
  }
  cursors[VMID_CURSOR] = String(picked)
  return Number(picked)
}

async function requireVmid(vmid: number, { vmidRange, takenVmids }: Limits, held: Held): Promise<number> {
  const [first, last] = vmidRange
  if (vmid < first || vmid > last) {
    throw refused(`VMID ${vmid} is not in vmid_range, ${first} to ${last}`, 'see config/db.yaml')
  }
  const owner = await held.ownerOfVmid(vmid)
  if (owner !== undefined) throw refused(`VMID ${vmid} belongs to ${owner}`, CHOOSE_ANOTHER)
  if (takenVmids.has(vmid)) {
    throw refused(`VMID ${vmid} is taken in Proxmox by a VM that is not in the registry`, CHOOSE_ANOTHER)
  }
  return vmid
}

async function addressFor(
  wanted: Pick<WantedEntry, 'pool' | 'address'>,
  held: Held,
  cursors: Cursors,
  { unknown = [] }: Pick<Limits, 'unknown'>,
): Promise<string> {
  const { pool } = wanted
  if (wanted.address !== undefined) return requireAddress(wanted.address, pool, held, unknown)
  const ofUnknown = new Set(unknown.flatMap(({ addresses }) => addresses))
  const { family } = pool.range
  const text = (value: bigint): string => formatAddress({ family, value })
  const picked = await pick(pool.range, cursors[pool.name], async (from, to) => {
    const isTaken = await held.addressesBetween({ family, value: from }, { family, value: to })
    return value =>
      [isTaken(text(value)), pool.reserved.has(text(value)), ofUnknown.has(text(value))].some(Boolean)
  })
  if (picked === undefined) {
    throw new ProxmintError(`every address of the pool ${pool.name} is taken`, {
      facts: { from: text(pool.range.first), to: text(pool.range.last) },
      hint: 'destroy VMs that are not needed any more (`zx scripts/gc.mts` lists the expired), or widen the pool in config/db.yaml',
    })
  }
  cursors[pool.name] = String(picked)
  return text(picked)
}

async function requireAddress(
  text: string,
  pool: Pool,
  held: Held,
  unknown: readonly UnknownVm[],
): Promise<string> {
  const address = parseAddress(text)
  if (address === undefined || !contains(pool.range, address)) {
    throw refused(`${text} is not in the pool ${pool.name}`, 'see config/db.yaml')
  }
  if (pool.reserved.has(text)) {
    throw refused(`${text} is a gateway or name server of the pool ${pool.name}`, CHOOSE_ANOTHER)
  }
  const owner = await held.ownerOfAddress(text)
  if (owner !== undefined) throw refused(`the address ${text} belongs to ${owner}`, CHOOSE_ANOTHER)
  const other = unknown.find(({ addresses }) => addresses.includes(text))
  if (other !== undefined) throw unknownHas(`the address ${text}`, other)
  return text
}

interface NumberRange {
  first: bigint
  last: bigint
}

/** First free number after the cursor, or else from the beginning of the range. */
async function pick(
  range: NumberRange,
  cursor: string | undefined,
  takenBetween: (first: bigint, last: bigint) => Promise<(value: bigint) => boolean>,
): Promise<bigint | undefined> {
  const after = cursor === undefined ? range.first : BigInt(cursor) + 1n
  const start = after < range.first || after > range.last ? range.first : after
  const parts: NumberRange[] = [
    { first: start, last: range.last },
    { first: range.first, last: start - 1n },
  ]
  for (const part of parts) {
    for (let first = part.first; first <= part.last; first += WINDOW_SIZE) {
      const end = first + WINDOW_SIZE - 1n
      const last = end < part.last ? end : part.last
      const isTaken = await takenBetween(first, last)
      for (let value = first; value <= last; value++) if (!isTaken(value)) return value
    }
  }
  return undefined
}

function unknownHas(what: string, { vmid, name }: UnknownVm): ProxmintError {
  const vm = name === '' ? `VM ${vmid}` : `VM ${vmid} (${name})`
  return refused(
    `${what} is taken: ${vm} is in Proxmox with this site's tag, and the registry does not know it`,
    'if the registry of this site is elsewhere or gone, get it back: `zx scripts/registry.mts restore FILE`, or `zx scripts/vm.mts adopt --site`; ' +
      'otherwise choose another name or address',
  )
}

function refused(message: string, hint: string): ProxmintError {
  return new ProxmintError(message, { hint, exitCode: exitCodes.usage })
}
