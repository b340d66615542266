import { randomUUID } from 'node:crypto'
import { formatAddress, parseAddress } from '../config/addresses.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type Entry, isVmName, type Phase, type TokenRecord } from './entry.mts'

/** Import of VMs from the predecessor's `vms.json`. */

/** The part of `vms.json` that is read. */
interface PredecessorFile {
  vms?: Record<string, PredecessorVm>
  nft_tokens?: Record<string, { status?: string; vm_name?: string }>
}

interface PredecessorVm {
  vm_name?: string
  vmid?: number
  ip_address?: string
  expires_at?: string
  owner?: string
  status?: string
  created_at?: string
  purpose?: string
}

interface Imported {
  entries: Entry[]
  /** A sentence for each contradiction in the file, and for each value that cannot be read. */
  conflicts: string[]
}

const PHASES: Record<string, Phase> = {
  active: 'active',
  suspended: 'suspended',
  reserved: 'reserved',
  pending: 'reserved',
}

/**
 * Reads a `vms.json`, without its destroyed VMs: only their names are in the file.
 * @param poolOf gives the name of the pool that an address belongs to.
 * @throws ProxmintError (invalid) if the text is not such a file.
 */
export function readPredecessor(
  text: string,
  poolOf: (address: string) => string | undefined,
  now: Date,
): Imported {
  const file = parse(text)
  const living = Object.entries(file.vms ?? {}).filter(([, vm]) => vm.status !== 'destroyed')
  const read = living.map(([name, vm]) => readVm(name, vm, tokenOf(file, name), poolOf, now))
  return {
    entries: read.flatMap(({ entry }) => (entry === undefined ? [] : [entry])),
    conflicts: [...read.flatMap(({ conflicts }) => conflicts), ...tokenConflicts(file)],
  }
}

function parse(text: string): PredecessorFile {
  try {
    const file = JSON.parse(text) as PredecessorFile | null
    if (typeof file?.vms === 'object') return file
  } catch {}
  throw new ProxmintError('the file is not a vms.json of the predecessor: it has no object `vms`', {
    exitCode: exitCodes.invalid,
  })
}

function readVm(
  name: string,
  vm: PredecessorVm,
  token: TokenRecord | null,
  poolOf: (address: string) => string | undefined,
  now: Date,
): { entry: Entry | undefined; conflicts: string[] } {
  const parsed = parseAddress(vm.ip_address ?? '')
  const address = parsed === undefined ? undefined : formatAddress(parsed)
  const pool = address === undefined ? undefined : poolOf(address)
  const phase = PHASES[vm.status ?? '']
  const expiresAt = isoOf(vm.expires_at)
  const conflicts = [
    ...(isVmName(name) ? [] : [`"${name}" is not a VM name`]),
    ...(vm.vm_name === undefined || vm.vm_name === name ? [] : [`${name}: its vm_name is ${vm.vm_name}`]),
    ...(Number.isInteger(vm.vmid) ? [] : [`${name}: its vmid is ${vm.vmid}`]),
    ...(address === undefined ? [`${name}: its ip_address is ${vm.ip_address}`] : []),
    ...(address !== undefined && pool === undefined
      ? [`${name}: its address ${address} is in no pool of config/db.yaml`]
      : []),
    ...(phase === undefined ? [`${name}: its status is ${vm.status}`] : []),
    ...(expiresAt === undefined ? [`${name}: its expires_at is ${vm.expires_at}`] : []),
  ]
  if (conflicts.length > 0) return { entry: undefined, conflicts }
  const about = { name, phase: phase!, vmid: vm.vmid!, address: address!, pool: pool!, expiresAt: expiresAt! }
  return { entry: { ...about, ...restOf(vm, token, now) }, conflicts: [] }
}

type Checked = 'name' | 'phase' | 'vmid' | 'address' | 'pool' | 'expiresAt'

function restOf(vm: PredecessorVm, token: TokenRecord | null, now: Date): Omit<Entry, Checked> {
  return {
    id: randomUUID(),
    node: null,
    owner: vm.owner ?? null,
    template: null,
    token,
    design: null,
    purpose: vm.purpose ?? '',
    failure: null,
    createdAt: isoOf(vm.created_at) ?? now.toISOString(),
    history: [{ at: now.toISOString(), what: 'imported from a vms.json' }],
  }
}

/** Converts a time in UTC from Python's `isoformat()`, which writes no zone. */
function isoOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const date = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

/**
 * Token of a VM. The predecessor guessed the token id before the mint, so no transaction proves it.
 */
function tokenOf(file: PredecessorFile, name: string): TokenRecord | null {
  const found = Object.entries(file.nft_tokens ?? {}).find(([, token]) => token.vm_name === name)
  if (found === undefined) return null
  const [id, { status }] = found
  if (status === 'minted') return { status: 'minted', id, transaction: null }
  return { status: status === 'failed' ? 'failed' : 'reserved', id: null, transaction: null }
}

function tokenConflicts({ vms = {}, nft_tokens: tokens = {} }: PredecessorFile): string[] {
  const owners = new Map<string, string[]>()
  for (const [id, { vm_name: name }] of Object.entries(tokens)) {
    if (name !== undefined) owners.set(name, [...(owners.get(name) ?? []), id])
  }
  return [...owners].flatMap(([name, ids]) => [
    ...(vms[name] === undefined ? [`token ${ids.join(', ')}: its VM ${name} is not in the file`] : []),
    ...(ids.length > 1 ? [`${name}: it has the tokens ${ids.join(' and ')}`] : []),
  ])
}
