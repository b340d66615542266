import type { Pool, Quotas } from '../config/pools.mts'
import type { LockedWork } from '../run/lock.mts'
import type { Entry } from './entry.mts'

/** VM to reserve. The registry picks a VMID and an address if they are undefined. */
export interface WantedEntry
  extends Pick<
    Entry,
    'name' | 'node' | 'owner' | 'ownerName' | 'expiresAt' | 'template' | 'token' | 'design' | 'purpose'
  > {
  pool: Pool
  vmid: number | undefined
  /** Canonical notation. */
  address: string | undefined
  /** Left out: none. */
  further?: readonly WantedAddress[]
}

/** A further address to reserve. */
export interface WantedAddress {
  /** Number of the card. */
  card: number
  pool: Pool
  /** Canonical notation; undefined: the registry picks one. */
  address: string | undefined
  /** Whether the VM has its default route by the gateway of the pool. */
  routed: boolean
}

/** Limits of a reservation that the registry does not know itself. */
export interface Limits {
  vmidRange: [number, number]
  /** VMIDs that Proxmox has. */
  takenVmids: ReadonlySet<number>
  /** VMs of this site that Proxmox has and the registry does not know. */
  unknown?: readonly UnknownVm[]
  /** Limits of config/db.yaml, compared within the commit. Left out: none. */
  quotas?: Quotas | undefined
  now: Date
}

/** A VM with this site's tag that is not in the registry. */
export interface UnknownVm {
  vmid: number
  /** Empty if it has none. */
  name: string
  /** As far as they are known, in canonical notation. */
  addresses: string[]
}

/**
 * Storage of entries. When a method resolves, its change is on disk and every process sees it. Names, VMIDs and
 * addresses of living entries are unique.
 */
export interface RegistryStore {
  /** Text for people: `the registry in .proxmint/registry`. */
  readonly description: string
  /**
   * Reserves a name, a VMID and all addresses for each VM, for all of them or for none.
   * @throws ProxmintError (usage) if a name, VMID or address is invalid or taken, (failed) if a pool is exhausted.
   */
  reserve(wanted: WantedEntry[], limits: Limits): Promise<Entry[]>
  /** Entries that `reserve` would make now; nothing is written. @throws ProxmintError as `reserve`. */
  preview(wanted: WantedEntry[], limits: Limits): Promise<Entry[]>
  /** Living entries, sorted by name. */
  list(): Promise<Entry[]>
  find(name: string): Promise<Entry | undefined>
  /**
   * Replaces an entry by the result of `revise`, which gets its current value: a compare-and-set on the id and the
   * revision of what was read. Changes that this store made itself since then are no conflict. An entry in the phase
   * `destroyed` goes to the archive. Further addresses that the result does not have are free again; it cannot have more.
   * @param read the entry as this run read it.
   * @returns the new entry.
   * @throws ProxmintError (locked) if another run changed or destroyed the entry since it was read; any error of
   *   `revise`. Nothing is changed then.
   */
  change(read: Entry, revise: (entry: Entry) => Entry): Promise<Entry>
  /**
   * Reserves further addresses for a living entry, and changes it, in one commit.
   * @param revise gets the entry with its new addresses behind those that it had.
   * @throws ProxmintError as `change` and `reserve`.
   */
  reserveFurther(
    read: Entry,
    wanted: readonly WantedAddress[],
    limits: Pick<Limits, 'unknown'>,
    revise: (entry: Entry) => Entry,
  ): Promise<Entry>
  /** Entry with the addresses that `reserveFurther` would reserve now; nothing is written. @throws ProxmintError as it. */
  previewFurther(
    read: Entry,
    wanted: readonly WantedAddress[],
    limits: Pick<Limits, 'unknown'>,
  ): Promise<Entry>
  /**
   * Replaces a reserved entry by a new one with another VMID, in one commit: another VM in Proxmox has its VMID. Name,
   * address, expiry and date of the reservation stay; the old entry goes to the archive.
   * @returns the new entry.
   * @throws ProxmintError (locked) as `change`, (failed) if every VMID is taken.
   */
  renumber(entry: Entry, limits: Limits): Promise<Entry>
  /**
   * Picks a VMID for a spare VM and changes the entry in one commit, so that no other entry gets the VMID.
   * @param revise returns the entry, which names the VMID in `rebuild`.
   * @throws ProxmintError (locked) as `change`, (failed) if every VMID is taken.
   */
  reserveSpare(
    read: Entry,
    limits: Limits,
    revise: (entry: Entry, spareVmid: number) => Entry,
  ): Promise<Entry>
  /** Destroyed entries, oldest first. */
  listArchived(): Promise<Entry[]>
  /**
   * Adds entries unchanged, with their VMIDs and addresses: from a backup or another registry.
   * @throws ProxmintError (usage) that lists every conflict; nothing is added then.
   */
  add(entries: Entry[], archived: Entry[]): Promise<void>
  /**
   * Runs `work` under the lock of one VM. The lock holds for this machine, or for all machines if the store is shared.
   * The lock is lost when the machine slept, or the database was restarted.
   * @throws ProxmintError (locked) if another run holds the lock (its error names that run), or if the lock was lost
   *   before `work` ended.
   */
  exclusively<T>(name: string, purpose: string, work: LockedWork<T>): Promise<T>
  close(): Promise<void>
}
