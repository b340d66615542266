import type { AttributesOf, OptionsWith } from '../config/vm-option-types.mts'
import { VM_OPTIONS } from '../config/vm-options.mts'

/** `destroyed` entries are in the archive: their name, VMID and address are free again. */
export const phases = ['reserved', 'created', 'minted', 'active', 'suspended', 'destroyed'] as const
export type Phase = (typeof phases)[number]

/** What is known of the access credential of a VM. */
export interface TokenRecord {
  /** `expired`: the chain says that it opens nothing any more, since its VM is destroyed. */
  status: 'reserved' | 'minted' | 'failed' | 'expired'
  /** The token id from the receipt, decimal; null before there is one. `0` is a token id. */
  id: string | null
  /** Hash of the transaction that minted it. */
  transaction: string | null
}

/** Where an attempt stopped. It stands beside the phase, which keeps saying how far the VM has come. */
interface Failure {
  step: string
  why: string
  /** ISO 8601. */
  at: string
}

export interface HistoryEvent {
  /** ISO 8601. */
  at: string
  what: string
}

/** Attributes of a design that the options of a VM decide. */
export type VmAttributes = AttributesOf<
  Exclude<OptionsWith<{ names: { attribute: string } }>, OptionsWith<{ designed: false }>>
>

/** Everything that a VM is made of, as it was decided when it was reserved; later defaults change nothing about it. */
export interface VmDesign extends Omit<VmAttributes, 'cpuType' | 'cloudInit'> {
  /** The copy of the VM template that is cloned. */
  template: { vmid: number; node: string }
  /** Of the disk and the cloud-init drive. */
  storage: string
  /** Left out: the VM was designed before there was a choice. */
  cpuType?: string
  network: { prefix: number; gateway: string | null; dns: string[]; bridge: string; vlan: number | null }
  cloudInit: VmAttributes['cloudInit'] & {
    /** The file on the storage has the entry's id in its name. Left out: it is older, and has only the VM's name. */
    ownFile?: true
  }
  /** Null for a VM without an access credential. */
  access: AccessDesign | null
}

export function cpuTypeOf({ cpuType = VM_OPTIONS.cpuType.before }: VmDesign): string {
  return cpuType
}

/** How a VM opens with a token. Its chain and contract stay its own, whatever the config says later. */
export interface AccessDesign {
  chainId: number
  /** EIP-55. */
  contract: string
  /** The JSON-RPC server that the VM asks. */
  rpcUrl: string
  signingPagePort: number
  otpLength: number
  otpTtlSeconds: number
  /** What the owner signs to get the key to `userEncrypted`. */
  decryptMessage: string
  /** Hex with 0x; `0x` is nothing. */
  userEncrypted: string
  /** Its token is minted when somebody asks for it, and the VM boots without one. */
  mintLater: boolean
}

/** One VM as the registry knows it. Plain JSON in both stores. */
export interface Entry {
  name: string
  /** Random. It stands in the VM's description: a VM without it is somebody else's, whatever its VMID and name. */
  id: string
  phase: Phase
  vmid: number
  /** Of the pool the address is from. */
  pool: string
  /** Canonical notation, without a prefix length. */
  address: string
  /** Null until one is chosen. */
  node: string | null
  /** The owner's wallet; null without a credential. */
  owner: string | null
  /** ISO 8601. */
  expiresAt: string
  /** The VM template it is made from, by family and version name. */
  template: { family: string; version: string } | null
  /** While it is rebuilt: the version of the VM that must be gone before the new one is made. */
  replaces?: string
  /** Null without a credential. */
  token: TokenRecord | null
  /** All that decides what the VM is, so that it can be made from here alone, on another machine too. */
  design: VmDesign | null
  purpose: string
  failure: Failure | null
  /** ISO 8601. */
  createdAt: string
  history: HistoryEvent[]
}

/** What a revision of an entry may not touch: they are what the registry hands out. */
export const fixedKeys = ['name', 'id', 'vmid', 'pool', 'address', 'createdAt'] as const

const hostname = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Names are host names and folder names: one DNS label, lower case. */
export function isVmName(text: string): boolean {
  return hostname.test(text)
}

/** The entry in its next phase; whatever failed before is over. */
export function advance(entry: Entry, phase: Phase, at: Date): Entry {
  return withEvent({ ...entry, phase, failure: null }, phase, at)
}

/** The entry with what went wrong; its phase stays. */
export function failed(entry: Entry, step: string, why: string, at: Date): Entry {
  const failure = { step, why, at: at.toISOString() }
  return withEvent({ ...entry, failure }, `${step} failed: ${why}`, at)
}

/** The entry as one that is to be made anew, of another version; what there is of it in Proxmox must go first. */
export function movedTo(entry: Entry, version: string, design: VmDesign, at: Date): Entry {
  const { family, version: from } = entry.template!
  const moved = { ...entry, phase: 'reserved', design, failure: null, replaces: from } as const
  return withEvent({ ...moved, template: { family, version } }, `rebuild, from ${from} to ${version}`, at)
}

/** The same when the VM it had is gone. */
export function cleared({ replaces, ...entry }: Entry, at: Date): Entry {
  return withEvent({ ...entry, failure: null }, `the VM from ${replaces} is gone`, at)
}

/** Whether there ever was a VM of it. */
export function wasMade({ history }: Entry): boolean {
  return history.some(({ what }) => what === 'created')
}

/** Whether there was ever anything on its disk. */
export function wasActive({ history }: Entry): boolean {
  return history.some(({ what }) => what === 'active')
}

export function withEvent(entry: Entry, what: string, at: Date): Entry {
  return { ...entry, history: [...entry.history, { at: at.toISOString(), what }] }
}

/** Names a token by chain, contract and id: several contracts count from 0. */
export function tokenKey({ design, token }: Entry): string {
  return `${design?.access?.chainId} ${design?.access?.contract} ${token?.id}`
}
