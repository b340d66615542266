import type {
  AttributesOf,
  OptionalAttributesOf,
  OptionsWith,
  OptionValue,
} from '../config/vm-option-types.mts'
import { VM_OPTIONS } from '../config/vm-options.mts'
import { ProxmintError } from '../run/errors.mts'

/** `destroyed` entries are in the archive: their name, VMID and address are free again. */
export const phases = ['reserved', 'created', 'minted', 'active', 'suspended', 'destroyed'] as const
export type Phase = (typeof phases)[number]

/** Access credential of a VM, as far as it is known. */
export interface TokenRecord {
  /** `expired`: the VM is destroyed, and on the chain its token has expired too. */
  status: 'reserved' | 'minted' | 'failed' | 'expired'
  /** Token id from the receipt, decimal; null before the mint. `0` is a valid token id. */
  id: string | null
  /** Hash of the transaction that minted the token. */
  transaction: string | null
}

/** Step that failed. The phase does not change: it still says how far the VM has come. */
interface Failure {
  step: string
  why: string
  /** ISO 8601. */
  at: string
}

/** A backup of a VM on a storage. */
export interface BackupRecord {
  /** `local:backup/vzdump-qemu-100-2026_11_30-20_00_00.vma.zst`. */
  volid: string
  /** The node that made it: its storage may be on this node alone. */
  node: string
  /** ISO 8601. */
  at: string
}

/** A VM that a person powered off, and that keeps its expiry. */
export interface StoppedVm {
  /** Whether a start of its node started it, too: a stopped VM loses that until it is started. */
  startsWithNode: boolean
}

export interface HistoryEvent {
  /** ISO 8601. */
  at: string
  what: string
}

/** A data disk, as it was wished. Sizes are in GiB. */
export type DataDisk = OptionValue<'disks'>[number]

/** A device of the node, by its resource mapping. */
export type MappedDevice = OptionValue<'devices'>[number]

/** A data disk that was attached. */
export interface DataDiskRecord {
  /** Volume id: `tank:vm-100-disk-1`. */
  volume: string
  /** Number of the first system of the VM (see `Entry.system`) whose user-data mounts it. */
  firstSystem: number
}

type Designed = Exclude<OptionsWith<{ names: { attribute: string } }>, OptionsWith<{ designed: false }>>
/** A list that nobody gave is empty. */
type AlwaysDecided = Designed & OptionsWith<{ default: unknown } | { kind: 'list' }>

/**
 * Attributes of a design that the options of a VM decide. One that is left out was not decided: it stays as the VM template
 * or somebody in Proxmox has it.
 */
export type VmAttributes = AttributesOf<AlwaysDecided> &
  OptionalAttributesOf<Exclude<Designed, AlwaysDecided>>

/** What is kept of a VM when it is destroyed. */
export type Safety = NonNullable<VmAttributes['safety']>

/** Everything that a VM is made of, as it was decided when it was reserved; later defaults change nothing about it. */
export interface VmDesign extends Omit<VmAttributes, 'cpuType' | 'cloudInit'> {
  /** The copy of the VM template that is cloned; null for a VM that was adopted: nobody knows it. */
  template: { vmid: number; node: string } | null
  /** Storage of the disk and the cloud-init drive. */
  storage: string
  /** Left out: the VM was designed before there was a choice. */
  cpuType?: string
  network: { prefix: number; gateway: string | null; dns: string[]; bridge: string; vlan: number | null }
  /** All cards, net0 first, as `networks` and the pools decided them. Left out: one card, by `network`. */
  cards?: CardDesign[]
  cloudInit: VmAttributes['cloudInit'] & {
    /** The file on the storage has the entry's id in its name. Left out: it is older, and has only the VM's name. */
    ownFile?: true
  }
  /** Nobody is to log in: the VM gets no SSH key. */
  noLogin?: true
  /** Null for a VM without an access credential. */
  access: AccessDesign | null
  /** What the next rebuild makes of it: cloud-init reads its user-data once. Left out: the same. */
  atRebuild?: { cloudInit: Partial<VmDesign['cloudInit']> }
  /** The purpose that its user-data has. Left out: that of the entry. */
  userDataPurpose?: string
  /** Slots of the devices and disks that the VM had when it was made. Left out: it is older, or not made yet. */
  made?: string[]
  /** The data disks that were attached, by name, also detached ones. Left out: there never was one. */
  dataDisks?: Record<string, DataDiskRecord>
  /** Mapped devices that the VM got: `pci gpu`. Left out: there never was one. */
  ownDevices?: string[]
}

/** A card of a VM. Values that are left out were not decided: they stay as Proxmox has them. */
export interface CardDesign extends CardFlags {
  bridge: string
  vlan: number | null
  /** Beside the addresses of pools, which are in the entry. */
  ip?: 'dhcp'
  ip6?: 'dhcp' | 'auto'
}

type CardFlags = Pick<
  NonNullable<VmAttributes['networks']>[number],
  'mtu' | 'rate' | 'model' | 'mac' | 'firewall' | 'ipfilter'
>

/** Design of a VM that can be made: its VM template is known. */
export type ClonedDesign = VmDesign & { template: NonNullable<VmDesign['template']> }

/** Design with what was decided for the next rebuild. */
export function designAtRebuild<D extends VmDesign>({ atRebuild, userDataPurpose: _, ...design }: D): D {
  return { ...design, cloudInit: { ...design.cloudInit, ...atRebuild?.cloudInit } } as D
}

export function cpuTypeOf({ cpuType = VM_OPTIONS.cpuType.before }: VmDesign): string {
  return cpuType
}

/** Login to a VM with a token. Chain and contract are fixed here: later changes of the config do not affect the VM. */
export interface AccessDesign {
  chainId: number
  /** EIP-55. */
  contract: string
  /** JSON-RPC server that the VM asks. */
  rpcUrl: string
  signingPagePort: number
  otpLength: number
  otpTtlSeconds: number
  /** Text that the owner signs; the signature is the key to `userEncrypted`. */
  decryptMessage: string
  /** Hex with 0x; `0x`: empty. */
  userEncrypted: string
  /** The VM boots without a token, which somebody mints later. */
  mintLater: boolean
}

/** An address of a pool that a VM has beside its first one. */
export interface CardAddress {
  /** Number of the card: 1 is `net1`. */
  card: number
  /** Name of the pool that it is from. */
  pool: string
  /** Canonical notation, without a prefix length. */
  address: string
  prefix: number
  /** Null: the VM has no default route by this card. */
  gateway: string | null
  dns: string[]
  /** The VM is to have it no more. It stays taken until no card has it in Proxmox. */
  leaving?: true
}

/** A VM in the registry. Both stores keep it as plain JSON. */
export interface Entry {
  name: string
  /** Random UUID, also in the VM's description in Proxmox. A VM without it belongs to somebody else. */
  id: string
  phase: Phase
  vmid: number
  /** The registry picked the VMID, so it may pick another before the VM exists. Left out: a person chose it. */
  vmidPicked?: true
  /** proxmint did not make the VM: `vm adopt VMID` took it up. Left out: proxmint made it. */
  foreign?: true
  /** Name of the pool that the address is from; `NO_POOL` for an adopted VM with an address of its own. */
  pool: string
  /** Canonical notation, without a prefix length. */
  address: string
  /** Further addresses of pools. Left out: none, or the VM is older. */
  addresses?: CardAddress[]
  /** Null until a node is chosen. */
  node: string | null
  /** Wallet of the owner (EIP-55); null without a credential. */
  owner: string | null
  /** Whose it is, for people. Left out: nobody said. */
  ownerName?: string
  /** ISO 8601; null: the VM never expires. */
  expiresAt: string | null
  /**
   * `vm stop` powered the active VM off: only `vm start` powers it on. Left out: an active VM runs. A suspended VM that proxmint
   * did not make has it, too: it says how the VM starts with its node.
   */
  stopped?: StoppedVm
  /** VM template that it is made from: family and name of the version. */
  template: { family: string; version: string } | null
  /**
   * Version that another VM of this entry may have been made from; that VM must be destroyed before the new one is created.
   * An older proxmint wrote it for each VM that it rebuilt.
   */
  replaces?: string
  /** A rebuild that is not finished. */
  rebuild?: Rebuild
  /** The root disk before the last rebuild, while it is kept. */
  previous?: PreviousDisk
  /** Number of the system on the root disk. Left out: 0, the first. */
  system?: number
  /** Null without a credential. */
  token: TokenRecord | null
  /** The last backup that was made before the VM was to be destroyed. Left out: there is none. */
  backup?: BackupRecord
  /** The VM is being brought back: volume id of the backup. */
  restoring?: string
  /** Everything needed to create the VM, on another machine too; null for an imported VM. */
  design: VmDesign | null
  purpose: string
  /** What a `vm change` takes out of Proxmox. Left out: nothing, or that is done. */
  retired?: { tags: string[]; notes?: string }
  failure: Failure | null
  /** ISO 8601. */
  createdAt: string
  history: HistoryEvent[]
  /** Number of changes since the reservation, counted by the store. Left out: 0, or the entry is older than the count. */
  revision?: number
}

/** What an entry says of the system on a root disk. */
export interface System {
  /** Null: nobody knows it. */
  template: Entry['template']
  /** The copy of the VM template that was cloned; null: nobody knows it. */
  source: VmDesign['template']
  cloudInit: VmDesign['cloudInit']
  noLogin?: true
  /** As in the design. */
  atRebuild?: NonNullable<VmDesign['atRebuild']>
  /** As in the design. */
  userDataPurpose?: string
  /** One more with each rebuild: cloud-init knows the system by it. Left out: 0, the first. */
  number?: number
}

/** The root disk that a VM had before. It is an unused disk of the VM. */
interface PreviousDisk {
  /** Volume id: `tank:vm-100-disk-0`. */
  volume: string
  /** Name of the version; `unknown` if nobody knows it. */
  version: string
  /** ISO 8601; afterwards `gc` removes it. */
  until: string
  system: System
}

/** A rebuild, or the way back. Each step of it may be repeated. */
export interface Rebuild {
  /** `undo`: the VM gets the root disk that it had before. */
  kind: 'rebuild' | 'undo'
  /** Names of the versions. */
  from: string
  to: string
  /** VM that is cloned from the VM template, and whose disk the VM gets. Left out: an undo needs none. */
  spareVmid?: number
  /** Root disk before it, as the config has it: `tank:vm-100-disk-0,discard=on,size=10G`. */
  disk: string
  /** Boot order before it, as the config has it; null: the config has none. */
  boot: string | null
  /** For an undo: volume of the root disk that the VM gets. */
  volume?: string
  /** System that the VM has afterwards. */
  system: System
  /** CPU model that a VM without one of its own gets. */
  cpuType?: string
  /** An older root disk that nobody keeps any more. It is removed at the end. */
  older?: string
  /** Volumes of the VM that its config did not name: somebody keeps them. Left out: none. */
  strays?: string[]
  /** A person wants the system of before: what was begun is taken back. */
  back?: true
  /** The VM has its other root disk, and the entry says so. Power, spare VM and a look inside are left. */
  swapped?: true
}

/** Stands for a pool where an adopted VM has an address that is in none. */
export const NO_POOL = 'none'

/** Keys that a change of an entry must keep: the registry assigned them. */
export const FIXED_KEYS = ['name', 'id', 'vmid', 'pool', 'address', 'createdAt'] as const

/** Lists every address that the registry keeps for a VM, the first one in front. */
export function addressesOf({ address, addresses = [] }: Pick<Entry, 'address' | 'addresses'>): string[] {
  return [address, ...addresses.map(one => one.address)]
}

const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Checks a name. It is also a host name and a folder name: one DNS label in lower case. */
export function isVmName(text: string): boolean {
  return HOST_NAME.test(text)
}

/** Checks an entry that was read. Its name becomes a part of paths. @throws ProxmintError */
export function requireVmName({ name }: Entry): void {
  if (typeof name === 'string' && isVmName(name)) return
  throw new ProxmintError(`the registry holds an entry whose name is ${JSON.stringify(name)}`, {
    hint: 'nothing was changed; restore a backup: zx scripts/registry.mts restore FILE --replace',
  })
}

/** Checks whether the VM is to run: no run starts one that is suspended or stopped. */
export function isToRun({ phase, stopped }: Pick<Entry, 'phase' | 'stopped'>): boolean {
  return phase === 'active' && stopped === undefined
}

/** The phase of an entry for people: a VM that `vm stop` powered off is `active, stopped`. */
export function phaseText({ phase, stopped }: Pick<Entry, 'phase' | 'stopped'>): string {
  return phase === 'active' && stopped !== undefined ? `${phase}, stopped` : phase
}

/** Entry of a VM that is to be off from now on. */
export function stoppedNow(entry: Entry, stopped: StoppedVm, at: Date): Entry {
  return withEvent({ ...entry, stopped }, 'stopped', at)
}

/** Entry without the order to be off. */
export function notStopped({ stopped: _, ...entry }: Entry): Entry {
  return entry
}

/** Entry in its next phase. The failure of an earlier attempt is removed. */
export function advance(entry: Entry, phase: Phase, at: Date): Entry {
  return withEvent({ ...entry, phase, failure: null }, phase, at)
}

/** Entry with a failure. Its phase stays. */
export function failed(entry: Entry, step: string, why: string, at: Date): Entry {
  const failure = { step, why, at: at.toISOString() }
  return withEvent({ ...entry, failure }, `${step} failed: ${why}`, at)
}

/**
 * Entry of a VM that is only reserved, to be made from another version. What a run that died made from the other version
 * must be destroyed first.
 */
export function movedTo(entry: Entry, version: string, design: VmDesign, at: Date): Entry {
  const { family, version: from } = entry.template!
  const moved = { ...entry, phase: 'reserved', design, failure: null, replaces: from } as const
  return withEvent({ ...moved, template: { family, version } }, `rebuild, from ${from} to ${version}`, at)
}

/** Entry that is given up because another VM in Proxmox has its VMID, with the reason for the archive. */
export function neverMade(entry: Entry, at: Date): Entry {
  const why = `given up: VMID ${entry.vmid} is taken in Proxmox by another VM`
  return advance(withEvent(entry, why, at), 'destroyed', at)
}

/** Checks whether `neverMade` ended the entry: its VMID is not free. */
export function isGivenUp({ history }: Entry): boolean {
  return history.some(({ what }) => what.startsWith('given up: '))
}

/** Entry after the VM that it replaces was destroyed. */
export function cleared({ replaces, ...entry }: Entry, at: Date): Entry {
  return withEvent({ ...entry, failure: null }, `the VM from ${replaces} is gone`, at)
}

/** Checks whether the VM was ever created. */
export function wasMade({ history }: Entry): boolean {
  return history.some(({ what }) => what === 'created')
}

/** Checks whether the VM ever booted: then its disk may hold data. */
export function wasActive({ history }: Entry): boolean {
  return history.some(({ what }) => what === 'active')
}

export function withEvent(entry: Entry, what: string, at: Date): Entry {
  return { ...entry, history: [...entry.history, { at: at.toISOString(), what }] }
}

/** Lists archived entries without those whose VM was restored: it lives on under the same id. */
export function stillGone(archived: Entry[], living: Entry[]): Entry[] {
  const ids = new Set(living.map(({ id }) => id))
  return archived.filter(({ id }) => !ids.has(id))
}

/** Key that identifies a token: `CHAIN_ID CONTRACT TOKEN_ID`. Token ids of different contracts overlap. */
export function tokenKey({ design, token }: Entry): string {
  return `${design?.access?.chainId} ${design?.access?.contract} ${token?.id}`
}
