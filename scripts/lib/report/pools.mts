import { type Address, contains, formatAddress, parseAddress } from '../config/addresses.mts'
import type { Pool } from '../config/pools.mts'
import type { Entry } from '../registry/entry.mts'

/** Of larger pools, addresses that are free side by side are one cell. */
const mostSingleCells = 256n

/** One address, or free ones side by side. */
export interface PoolCell {
  kind: 'taken' | 'reserved' | 'free'
  /** `.200`: what tells it from its neighbours; of several, the first and the last address. */
  label: string
  address: string
  /** How many addresses it stands for. */
  count: bigint
  /** Of the VM that has it. */
  vm: { name: string; phase: string } | undefined
}

/** A pool from its first address to its last. */
export interface PoolMap {
  name: string
  first: string
  last: string
  taken: number
  /** Of the gateway and the name servers, inside of the range. */
  reserved: number
  free: bigint
  cells: PoolCell[]
  /** VMs that say they are of this pool, with an address it no longer has. */
  outside: string[]
}

/** The pool with who has what. */
export function poolMapOf(pool: Pool, entries: Entry[]): PoolMap {
  const { range } = pool
  const owners = new Map(entries.filter(({ address }) => isIn(pool, address)).map(one => [one.address, one]))
  const reserved = [...pool.reserved].filter(address => isIn(pool, address) && !owners.has(address))
  const size = range.last - range.first + 1n
  const text = (value: bigint): string => formatAddress({ family: range.family, value })
  return {
    name: pool.name,
    first: text(range.first),
    last: text(range.last),
    taken: owners.size,
    reserved: reserved.length,
    free: size - BigInt(owners.size + reserved.length),
    cells: cellsOf(pool, owners, reserved, size > mostSingleCells),
    outside: entries
      .filter(one => one.pool === pool.name && !isIn(pool, one.address))
      .map(({ name }) => name),
  }
}

function isIn({ range }: Pool, address: string): boolean {
  return contains(range, parseAddress(address)!)
}

/** Every address that is somebody's, and between them the free ones. */
function cellsOf(
  { range }: Pool,
  owners: Map<string, Entry>,
  reserved: string[],
  together: boolean,
): PoolCell[] {
  const held = [...owners.keys(), ...reserved].map(address => parseAddress(address)!)
  const cells: PoolCell[] = []
  let next = range.first
  for (const address of held.toSorted((a, b) => (a.value < b.value ? -1 : 1))) {
    cells.push(...freeCells({ ...range, first: next, last: address.value - 1n }, together))
    cells.push(heldCell(address, owners))
    next = address.value + 1n
  }
  return [...cells, ...freeCells({ ...range, first: next }, together)]
}

function heldCell(address: Address, owners: Map<string, Entry>): PoolCell {
  const text = formatAddress(address)
  const owner = owners.get(text)
  const vm = owner === undefined ? undefined : { name: owner.name, phase: owner.phase }
  return { kind: vm === undefined ? 'reserved' : 'taken', label: endOf(text), address: text, count: 1n, vm }
}

function freeCells({ family, first, last }: Pool['range'], together: boolean): PoolCell[] {
  if (first > last) return []
  const text = (value: bigint): string => formatAddress({ family, value })
  if (together && first < last) {
    const label = `${text(first)} to ${text(last)}`
    return [{ kind: 'free', label, address: text(first), count: last - first + 1n, vm: undefined }]
  }
  return Array.from({ length: Number(last - first + 1n) }, (_, index) => {
    const address = text(first + BigInt(index))
    return { kind: 'free' as const, label: endOf(address), address, count: 1n, vm: undefined }
  })
}

/** `.200`; of IPv6 the last group, `:1f`. */
function endOf(address: string): string {
  return /[.:][^.:]*$/.exec(address)![0]
}
