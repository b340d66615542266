import type { Pool } from '../config/pools.mts'
import type { Entry } from './entry.mts'

/** One VM to reserve. Without `vmid` and `address` the registry picks them. */
export interface WantedEntry
  extends Pick<Entry, 'name' | 'node' | 'owner' | 'expiresAt' | 'template' | 'token' | 'design' | 'purpose'> {
  pool: Pool
  vmid: number | undefined
  /** Canonical notation. */
  address: string | undefined
}

/** What may not be handed out, and why nobody in the registry knows: it is in use outside. */
export interface Limits {
  vmidRange: [number, number]
  /** VMIDs that Proxmox has, or that templates and base VMs may get. */
  takenVmids: ReadonlySet<number>
  now: Date
}

/**
 * Where entries are kept. Everything that resolved is on disk, and is seen by every process. Names, VMIDs and
 * addresses are unique among the living entries.
 */
export interface RegistryStore {
  /** For a person: `the registry in .proxmint/registry`. */
  readonly description: string
  /**
   * Takes a name, a VMID and an address for each, all of them or none.
   * @throws ProxmintError (usage) for a name or address that cannot be had, (failed) where a pool is exhausted.
   */
  reserve(wanted: WantedEntry[], limits: Limits): Promise<Entry[]>
  /** What `reserve` would take now; nothing is written. @throws as `reserve`. */
  preview(wanted: WantedEntry[], limits: Limits): Promise<Entry[]>
  /** Living entries, by name. */
  list(): Promise<Entry[]>
  find(name: string): Promise<Entry | undefined>
  /**
   * Replaces an entry by what `revise` makes of it as it is now; `revise` may be called again when another run
   * was faster. An entry whose phase becomes `destroyed` goes to the archive.
   * @returns the entry as it was kept.
   * @throws ProxmintError (usage) where there is no such entry; whatever `revise` throws, with nothing changed.
   */
  change(name: string, revise: (entry: Entry) => Entry): Promise<Entry>
  /** Destroyed entries, oldest first. */
  listArchived(): Promise<Entry[]>
  /**
   * Adds entries as they are, with the VMIDs and addresses they have: from a backup or another registry.
   * @throws ProxmintError (usage) naming each conflict, with nothing added.
   */
  add(entries: Entry[], archived: Entry[]): Promise<void>
  /**
   * Runs `work` on one VM while no other run may, on this machine or, where the store is shared, on any. The signal
   * aborts when that is so no more: the machine slept, or the database was restarted.
   * @throws ProxmintError (locked) that says who works on it, or that the work failed since its lock was lost.
   */
  exclusively<T>(name: string, purpose: string, work: (lost: AbortSignal) => Promise<T>): Promise<T>
  close(): Promise<void>
}
