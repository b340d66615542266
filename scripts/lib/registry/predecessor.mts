import { randomUUID } from 'node:crypto'
import { formatAddress, parseAddress } from '../config/addresses.mts'
import type { Pool } from '../config/pools.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { isObject } from '../run/is-object.mts'
import { type CardAddress, type Entry, isVmName, type Phase, type TokenRecord } from './entry.mts'
import { type TokenMaps, type TokenOfVm, tokenOf, tokensWithoutVm } from './predecessor-tokens.mts'

/** Import of VMs from a `vms.json` of the predecessor or of its successor. */

/** The part of `vms.json` that is read. Values are whatever JSON has: each is checked where it is read. */
interface PredecessorFile extends TokenMaps {
  vms: Record<string, unknown>
}

interface PredecessorVm extends TokenOfVm {
  vm_name?: unknown
  vmid?: unknown
  ip_address?: unknown
  ipv6_address?: unknown
  expires_at?: unknown
  owner?: unknown
  wallet_address?: unknown
  status?: unknown
  created_at?: unknown
  purpose?: unknown
}

interface Imported {
  entries: Entry[]
  /** A sentence for each contradiction in the file, and for each value that cannot be read or kept. */
  conflicts: string[]
}

type PoolOf = (address: string) => Pick<Pool, 'name' | 'prefix' | 'gateway' | 'dns'> | undefined

const PHASES: Record<string, Phase> = {
  active: 'active',
  suspended: 'suspended',
  reserved: 'reserved',
  pending: 'reserved',
}

const WALLET = /^0x[0-9a-f]{40}$/i

/**
 * Reads a `vms.json`, without its destroyed VMs: only their names are in the file.
 * @param poolOf finds the pool that an address belongs to.
 * @throws ProxmintError (invalid) if the text is not such a file.
 */
export function readPredecessor(text: string, poolOf: PoolOf, now: Date): Imported {
  const file = parse(text)
  const living = Object.entries(file.vms).filter(([, vm]) => !isObject(vm) || vm['status'] !== 'destroyed')
  const read = living.map(([name, vm]) =>
    isObject(vm)
      ? readVm(name, vm, file, poolOf, now)
      : { conflicts: [`${name}: it is ${show(vm)}, not a VM`] },
  )
  return {
    entries: read.flatMap(one => ('entry' in one ? [one.entry] : [])),
    conflicts: [
      ...read.flatMap(one => ('conflicts' in one ? one.conflicts : [])),
      ...tokensWithoutVm(file, new Set(Object.keys(file.vms))),
    ],
  }
}

function parse(text: string): PredecessorFile {
  try {
    const file = JSON.parse(text) as Partial<PredecessorFile> | null
    if (isObject(file?.vms)) return file as PredecessorFile
  } catch {}
  throw new ProxmintError('the file is not a vms.json of the predecessor: it has no object `vms`', {
    hint: 'give the file vms.json of the predecessor; a backup of proxmint goes to `zx scripts/registry.mts restore`',
    exitCode: exitCodes.invalid,
  })
}

/** A value as a message shows it. */
function show(value: unknown): string {
  return typeof value === 'string' ? value : String(JSON.stringify(value))
}

function readVm(
  name: string,
  vm: PredecessorVm,
  file: PredecessorFile,
  poolOf: PoolOf,
  now: Date,
): { entry: Entry } | { conflicts: string[] } {
  const { also, faults, ...place } = addressesOf(vm, poolOf)
  const token = tokenOf(file, name, vm)
  const phase = Object.hasOwn(PHASES, show(vm.status)) ? PHASES[show(vm.status)] : undefined
  const expiresAt = isoOf(vm.expires_at)
  const conflicts = [
    isVmName(name) ? '' : `"${name}" is not a VM name`,
    vm.vm_name === undefined || vm.vm_name === name ? '' : `${name}: its vm_name is ${show(vm.vm_name)}`,
    Number.isInteger(vm.vmid) ? '' : `${name}: its vmid is ${show(vm.vmid)}`,
    ...faults.map(fault => `${name}: ${fault}`),
    phase === undefined ? `${name}: its status is ${show(vm.status)}` : '',
    expiresAt === undefined ? `${name}: its expires_at is ${show(vm.expires_at)}` : '',
    vm.wallet_address == null || WALLET.test(show(vm.wallet_address))
      ? ''
      : `${name}: its wallet_address is ${show(vm.wallet_address)}`,
    'conflict' in token ? `${name}: ${token.conflict}` : '',
  ].filter(Boolean)
  if (conflicts.length > 0 || 'conflict' in token) return { conflicts }
  const about = {
    name,
    phase: phase!,
    vmid: Number(vm.vmid),
    ...(place as Place),
    expiresAt: expiresAt!,
  }
  return { entry: { ...about, ...restOf(vm, token.token, also, now) } }
}

/** Where a VM is reached. */
interface Place {
  address: string
  pool: string
  addresses?: CardAddress[]
}

/** Addresses of a VM. An IPv6 address beside an IPv4 address that is in no pool is kept in the history alone. */
function addressesOf(
  { ip_address: ip, ipv6_address: ipv6 }: PredecessorVm,
  poolOf: PoolOf,
): Partial<Place> & { also: string[]; faults: string[] } {
  const given = [['ip_address', ip] as const, ['ipv6_address', ipv6] as const].filter(
    ([, text]) => text != null,
  )
  if (given.length === 0) return { also: [], faults: [`its ip_address is ${show(ip)}`] }
  const [first, second] = given.map(([key, text]) => {
    const parsed = typeof text === 'string' ? parseAddress(text.split('/')[0]!) : undefined
    return { key, text, address: parsed === undefined ? undefined : formatAddress(parsed) }
  })
  const unreadable = [first, second].find(one => one !== undefined && one.address === undefined)
  if (unreadable !== undefined)
    return { also: [], faults: [`its ${unreadable.key} is ${show(unreadable.text)}`] }
  const address = first!.address!
  const pool = poolOf(address)
  if (pool === undefined)
    return { also: [], faults: [`its address ${address} is in no pool of config/db.yaml`] }
  const place = { address, pool: pool.name, also: [], faults: [] }
  if (second === undefined) return place
  const other = poolOf(second.address!)
  if (other === undefined) return { ...place, also: [`its ipv6_address was ${second.address}`] }
  const { name, prefix, gateway = null, dns } = other
  return { ...place, addresses: [{ card: 0, pool: name, address: second.address!, prefix, gateway, dns }] }
}

type Checked = 'name' | 'phase' | 'vmid' | 'address' | 'pool' | 'addresses' | 'expiresAt'

function restOf(
  vm: PredecessorVm,
  token: TokenRecord | null,
  also: string[],
  now: Date,
): Omit<Entry, Checked> {
  const { wallet_address: wallet, owner, purpose } = vm
  const isWallet = (value: unknown): value is string => WALLET.test(show(value))
  const person = isWallet(owner) || owner == null ? [] : [`its owner was ${show(owner)}`]
  const what = ['imported from a vms.json', ...also, ...person]
  return {
    id: randomUUID(),
    node: null,
    owner: [wallet, owner].find(isWallet) ?? null,
    template: null,
    token,
    design: null,
    purpose: typeof purpose === 'string' ? purpose : '',
    failure: null,
    createdAt: isoOf(vm.created_at) ?? now.toISOString(),
    history: what.map(text => ({ at: now.toISOString(), what: text })),
  }
}

/** Converts a time in UTC from Python's `isoformat()`, which writes no zone. */
function isoOf(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  const date = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}
