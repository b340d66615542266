import { type Address, contains, formatAddress, parseAddress } from '../config/addresses.mts'
import type { Pool } from '../config/pools.mts'
import { addressesOf, type Entry } from '../registry/entry.mts'

/** Largest pool with a cell per free address. In larger pools neighbouring free addresses share one cell. */
const MOST_SINGLE_CELLS = 256n

/** One address, or several free neighbours. */
export interface PoolCell {
  kind: 'taken' | 'reserved' | 'free'
  /** `.200`: the last part of the address; first and last address of several. */
  label: string
  address: string
  /** Number of addresses it stands for. */
  count: bigint
  /** VM that has the address. */
  vm: { name: string; phase: string } | undefined
}

/** Pool from its first address to its last. */
export interface PoolMap {
  name: string
  first: string
  last: string
  taken: number
  /** Number of addresses of gateway and name servers inside the range. */
  reserved: number
  free: bigint
  cells: PoolCell[]
  /** Names of the pool's VMs whose address is no longer in its range. */
  outside: string[]
}

/** Maps the addresses of a pool to the VMs that have them. */
export function poolMapOf(pool: Pool, entries: Entry[]): PoolMap {
  const { range } = pool
  const owners = new Map(
    entries.flatMap(entry =>
      addressesOf(entry)
        .filter(address => isIn(pool, address))
        .map(address => [address, entry] as const),
    ),
  )
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
    cells: cellsOf(pool, owners, reserved, size > MOST_SINGLE_CELLS),
    outside: entries
      .filter(one =>
        [one, ...(one.addresses ?? [])].some(has => has.pool === pool.name && !isIn(pool, has.address)),
      )
      .map(({ name }) => name),
  }
}

function isIn({ range }: Pool, address: string): boolean {
  return contains(range, parseAddress(address)!)
}

/** Lists every address in use, and the free ones between them. */
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

/** Shortens an address to `.200`, an IPv6 address to its last group, `:1f`. */
function endOf(address: string): string {
  return /[.:][^.:]*$/.exec(address)![0]
}
