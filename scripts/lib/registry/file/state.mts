/** State of the file store, and the lines of its files. */
import { crc32 } from 'node:zlib'
import type { Cursors, Held } from '../allocate.mts'
import { addressesOf, type Entry, requireVmName } from '../entry.mts'
import { vmidsOf } from '../rebuild.mts'

/** Changes of one commit: a line of the journal. */
export interface JournalRecord {
  version: 1
  /** Number of the commit, counted up by one. If two records have the same serial, the first one in the file counts. */
  serial: number
  /** Random UUID, by which a writer recognizes its own record. */
  id: string
  put: Entry[]
  /** Entries that go to the archive; if they were living, they are not any more. */
  archive: Entry[]
  cursors: Cursors
  /** true in the last record of the journal: later records do not count. */
  seal: boolean
}

/** State of the file store, with an index for each way to look an entry up. */
export interface RegistryState {
  serial: number
  entries: Map<string, Entry>
  /** With those of spare VMs. */
  nameOfVmid: Map<number, string>
  nameOfAddress: Map<string, string>
  /** Entries that were archived since the last snapshot. */
  archived: Entry[]
  /** Archives of lower numbers are those of the registry before a restore. */
  archivesFrom: number
  cursors: Cursors
}

export function emptyState(): RegistryState {
  return {
    serial: 0,
    entries: new Map(),
    nameOfVmid: new Map(),
    nameOfAddress: new Map(),
    archived: [],
    archivesFrom: 0,
    cursors: {},
  }
}

/** Applies a record to the state in place. */
export function applyRecord(state: RegistryState, { serial, put, archive, cursors }: JournalRecord): void {
  for (const entry of put) putEntry(state, entry)
  for (const entry of archive) archiveEntry(state, entry)
  Object.assign(state.cursors, cursors)
  state.serial = serial
}

/** @throws ProxmintError for a name that would lead out of the folder of a VM. */
export function putEntry(state: RegistryState, entry: Entry): void {
  requireVmName(entry)
  const before = state.entries.get(entry.name)
  if (before !== undefined) freeNumbers(state, before)
  state.entries.set(entry.name, entry)
  for (const vmid of vmidsOf(entry)) state.nameOfVmid.set(vmid, entry.name)
  for (const address of addressesOf(entry)) state.nameOfAddress.set(address, entry.name)
}

function freeNumbers(state: RegistryState, entry: Entry): void {
  for (const vmid of vmidsOf(entry)) state.nameOfVmid.delete(vmid)
  for (const address of addressesOf(entry)) state.nameOfAddress.delete(address)
}

/**
 * Archives an entry. If it comes from a backup, a living entry of the same name stays: it is another VM, or the same one, which
 * was restored since and has a later revision.
 */
function archiveEntry(state: RegistryState, entry: Entry): void {
  const living = state.entries.get(entry.name)
  if (living?.id === entry.id && (entry.revision ?? 0) >= (living.revision ?? 0)) {
    state.entries.delete(living.name)
    freeNumbers(state, living)
  }
  state.archived.push(entry)
}

export function heldBy(state: RegistryState): Held {
  return {
    hasName: async name => state.entries.has(name),
    entries: async () => [...state.entries.values()],
    ownerOfVmid: async vmid => state.nameOfVmid.get(vmid),
    ownerOfAddress: async address => state.nameOfAddress.get(address),
    vmidsBetween: async () => vmid => state.nameOfVmid.has(vmid),
    addressesBetween: async () => address => state.nameOfAddress.has(address),
  }
}

/** End of a line that a later writer found cut short. No record ends so. */
export const TORN_END = ' #torn'

/** Checks whether a line holds nothing: a later writer found it cut short, or only ended it. */
export function isTornLine(line: string): boolean {
  return line === '' || line.endsWith(TORN_END)
}

/** Formats a line of a registry file: CRC-32 of the JSON in eight hexadecimal digits, a space, the JSON. */
export function encodeLine(value: unknown): string {
  const json = JSON.stringify(value)
  return `${checksum(json)} ${json}\n`
}

/** Parses a line; undefined if its checksum is wrong: it was cut short or changed. */
export function decodeLine(line: string): unknown {
  const json = line.slice(9)
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(json)) return undefined
  return JSON.parse(json)
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
