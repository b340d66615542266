import { formatAddress } from '../../config/addresses.mts'
import type { Cursors, Held } from '../allocate.mts'
import type { Entry } from '../entry.mts'

/** One line of the journal: what one commit changed. */
export interface JournalRecord {
  version: 1
  /** One more than the commit before it. Of two records with one serial the first in the file counts. */
  serial: number
  /** Random: by it a writer knows its own record. */
  id: string
  put: Entry[]
  /** Entries that ended: they leave the living, if they were among them. */
  archive: Entry[]
  cursors: Cursors
  /** The last record of this journal: whatever follows does not count. */
  seal: boolean
}

/** All that the file store knows, by what it is looked up by. */
export interface RegistryState {
  serial: number
  entries: Map<string, Entry>
  nameOfVmid: Map<number, string>
  nameOfAddress: Map<string, string>
  /** Ended since the last snapshot. */
  archived: Entry[]
  cursors: Cursors
}

export function emptyState(): RegistryState {
  return {
    serial: 0,
    entries: new Map(),
    nameOfVmid: new Map(),
    nameOfAddress: new Map(),
    archived: [],
    cursors: {},
  }
}

/** Applies a record in place. */
export function applyRecord(state: RegistryState, { serial, put, archive, cursors }: JournalRecord): void {
  for (const entry of put) putEntry(state, entry)
  for (const entry of archive) archiveEntry(state, entry)
  Object.assign(state.cursors, cursors)
  state.serial = serial
}

export function putEntry(state: RegistryState, entry: Entry): void {
  state.entries.set(entry.name, entry)
  state.nameOfVmid.set(entry.vmid, entry.name)
  state.nameOfAddress.set(entry.address, entry.name)
}

/** An archived entry that comes from a backup was never among the living here, but its name may be. */
function archiveEntry(state: RegistryState, entry: Entry): void {
  const living = state.entries.get(entry.name)
  if (living?.createdAt === entry.createdAt) {
    state.entries.delete(living.name)
    state.nameOfVmid.delete(living.vmid)
    state.nameOfAddress.delete(living.address)
  }
  state.archived.push(entry)
}

export function heldBy(state: RegistryState): Held {
  return {
    hasName: async name => state.entries.has(name),
    ownerOfVmid: async vmid => state.nameOfVmid.get(vmid),
    ownerOfAddress: async address => state.nameOfAddress.get(address),
    vmidsBetween: async (first, last) => {
      const all = Array.from({ length: last - first + 1 }, (_, index) => first + index)
      return new Set(all.filter(vmid => state.nameOfVmid.has(vmid)))
    },
    addressesBetween: async ({ family, value: first }, { value: last }) => {
      const taken = new Set<string>()
      for (let value = first; value <= last; value++) {
        const address = formatAddress({ family, value })
        if (state.nameOfAddress.has(address)) taken.add(address)
      }
      return taken
    },
  }
}
