import { type FileHandle, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFailed, writeFileAtomic } from '../../run/atomic-file.mts'
import { ProxmintError } from '../../run/errors.mts'
import { ifThere } from '../../run/if-there.mts'
import type { Cursors } from '../allocate.mts'
import type { Entry } from '../entry.mts'
import {
  applyRecord,
  decodeLine,
  emptyState,
  encodeLine,
  type JournalRecord,
  putEntry,
  type RegistryState,
} from './state.mts'

/**
 * A snapshot and the journal after it. `snapshot-N.json` is the state after commit N; `journal-N.jsonl` holds the later
 * commits, until commit M seals it. Then `archive-M.jsonl` (entries archived in between) and `snapshot-M.json` are
 * written, each as a whole. Every run that writes them writes the same content.
 */
export interface Generation {
  folder: string
  /** Serial of the snapshot; 0 without one. */
  number: number
  state: RegistryState
  /** Bytes of the journal that are applied to the state. */
  offset: number
  /** Number of records since the snapshot. */
  length: number
  /** The journal takes no more commits. */
  sealed: boolean
  /** A newer snapshot exists, and this journal was removed. */
  replaced: boolean
  /** The journal ends in the middle of a line: its writer died, or the disk was full. */
  torn: boolean
  journal: FileHandle | undefined
}

interface Snapshot {
  version: 1
  serial: number
  cursors: Cursors
  entries: Entry[]
}

const SNAPSHOT_NAME = /^snapshot-(\d+)\.json$/

/** Reads the newest snapshot and its journal. @throws ProxmintError if one of them is damaged. */
export async function openGeneration(folder: string): Promise<Generation> {
  for (;;) {
    const generation = await openNewest(folder)
    if (generation !== undefined) return generation
    // Another run has just written a newer snapshot and removed this one.
  }
}

async function openNewest(folder: string): Promise<Generation | undefined> {
  const names = await listFolder(folder)
  const number = newestSnapshot(names)
  const state = number === 0 ? emptyState() : await readSnapshot(join(folder, `snapshot-${number}.json`))
  if (state === undefined) return undefined
  requireSnapshot(folder, names, number)
  const generation: Generation = {
    folder,
    number,
    state,
    offset: 0,
    length: 0,
    sealed: false,
    replaced: false,
    torn: false,
    journal: undefined,
  }
  await readTail(generation)
  return generation.replaced ? undefined : generation
}

async function listFolder(folder: string): Promise<string[]> {
  return (await ifThere(readdir(folder))) ?? []
}

function newestSnapshot(names: string[]): number {
  return Math.max(0, ...names.map(name => Number(SNAPSHOT_NAME.exec(name)?.[1] ?? 0)))
}

/** @throws ProxmintError if a journal is newer than the newest snapshot: the state before its commits is missing. */
function requireSnapshot(folder: string, names: string[], number: number): void {
  const orphan = names.find(name => Number(/^journal-(\d+)\.jsonl$/.exec(name)?.[1] ?? 0) > number)
  if (orphan === undefined) return
  throw corrupt(join(folder, orphan), 'the snapshot before it is missing')
}

/** State of a snapshot; undefined if its file was removed. */
async function readSnapshot(path: string): Promise<RegistryState | undefined> {
  const text = await ifThere(readFile(path, 'utf8'))
  if (text === undefined) return undefined
  const snapshot = decodeLine(text.trimEnd()) as Snapshot | undefined
  if (snapshot === undefined) throw corrupt(path, 'its checksum is wrong')
  requireVersion(path, snapshot.version)
  const state = emptyState()
  for (const entry of snapshot.entries) putEntry(state, entry)
  return { ...state, serial: snapshot.serial, cursors: snapshot.cursors }
}

/** Applies the commits that any run has made since the last call. @returns their records. */
export async function readTail(generation: Generation): Promise<JournalRecord[]> {
  const path = journalPath(generation)
  const handle = generation.journal ?? (await ifThere(open(path, 'r')))
  if (handle === undefined) {
    generation.replaced = await isReplaced(generation)
    return []
  }
  try {
    return takeUp(generation, await readFrom(handle, generation.offset), path)
  } finally {
    if (handle !== generation.journal) await handle.close()
  }
}

async function isReplaced({ folder, number }: Generation): Promise<boolean> {
  return newestSnapshot(await listFolder(folder)) > number
}

async function readFrom(handle: FileHandle, offset: number): Promise<Buffer> {
  const { size } = await handle.stat()
  const buffer = Buffer.alloc(Math.max(0, size - offset))
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
  return buffer.subarray(0, bytesRead)
}

/** Applies the complete lines of the tail. @returns the records that count, in order. */
function takeUp(generation: Generation, tail: Buffer, path: string): JournalRecord[] {
  const end = tail.lastIndexOf(0x0a) + 1
  generation.torn = end < tail.length
  generation.offset += end
  const lines = tail.subarray(0, end).toString('utf8').split('\n')
  // An unreadable line was never acknowledged. If it was, the next serial shows that a commit is missing.
  const records = lines.map(line => decodeLine(line) as JournalRecord | undefined)
  return records.filter(record => record !== undefined).filter(record => take(generation, record, path))
}

/** Applies a record if it counts: the first one with the next serial, in a journal that is not sealed. */
function take(generation: Generation, record: JournalRecord, path: string): boolean {
  requireVersion(path, record.version)
  const { state } = generation
  if (generation.sealed || record.serial <= state.serial) return false
  if (record.serial > state.serial + 1) {
    throw corrupt(path, `commit ${state.serial + 1} cannot be read, though ${record.serial} can`)
  }
  applyRecord(state, record)
  generation.length++
  generation.sealed = record.seal
  return true
}

/**
 * Appends a record and syncs it.
 * @returns false if another writer committed this serial first or sealed the journal (possible after a lost lock).
 *   The state is up to date in both cases.
 * @throws ProxmintError if the file cannot be written.
 */
export async function append(generation: Generation, record: JournalRecord): Promise<boolean> {
  const path = journalPath(generation)
  try {
    if (generation.journal === undefined) {
      generation.journal = await openForAppending(generation.folder, path)
      // If the journal was removed, opening it has made an empty one, which no run reads.
      generation.replaced = await isReplaced(generation)
      if (generation.replaced) return false
    } else if (!(await isAt(path, generation.journal))) {
      generation.replaced = true
      return false
    }
    const line = Buffer.from(`${generation.torn ? '\n' : ''}${encodeLine(record)}`)
    const { bytesWritten } = await generation.journal.write(line)
    if (bytesWritten < line.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' })
    await generation.journal.datasync()
  } catch (cause) {
    throw writeFailed(path, cause)
  }
  return (await readTail(generation)).some(({ id }) => id === record.id)
}

/** Checks whether the open journal is still the file at `path`. It is not if it was removed or moved aside. */
async function isAt(path: string, handle: FileHandle): Promise<boolean> {
  const [opened, found] = await Promise.all([handle.stat(), ifThere(stat(path))])
  return opened.ino === found?.ino
}

async function openForAppending(folder: string, path: string): Promise<FileHandle> {
  const handle = await open(path, 'a+', 0o600)
  await using directory = await open(folder, 'r')
  await directory.sync()
  return handle
}

/** Writes archive and snapshot after a sealed journal, and removes the files that they replace. */
export async function finishSealed({ folder, state }: Generation): Promise<void> {
  const { serial, cursors, archived } = state
  if (archived.length > 0) {
    const lines = archived.map(encodeLine).join('')
    await writeFileAtomic(join(folder, `archive-${serial}.jsonl`), lines, 0o600)
  }
  const snapshot: Snapshot = { version: 1, serial, cursors, entries: [...state.entries.values()] }
  await writeFileAtomic(join(folder, `snapshot-${serial}.json`), encodeLine(snapshot), 0o600)
  await removeOlder(folder, serial)
}

async function removeOlder(folder: string, serial: number): Promise<void> {
  for (const name of await listFolder(folder)) {
    const number = /^(?:snapshot|journal)-(\d+)\.jsonl?$/.exec(name)?.[1]
    if (number !== undefined && Number(number) < serial) await rm(join(folder, name), { force: true })
  }
}

/** Entries that were archived before this generation, oldest first. @throws ProxmintError if a file is damaged. */
export async function readArchive({ folder, number }: Generation): Promise<Entry[]> {
  const serials = (await listFolder(folder))
    .map(name => Number(/^archive-(\d+)\.jsonl$/.exec(name)?.[1] ?? Number.NaN))
    .filter(serial => serial <= number)
    .sort((a, b) => a - b)
  const parts = await Promise.all(
    serials.map(serial => readArchivePart(join(folder, `archive-${serial}.jsonl`))),
  )
  return parts.flat()
}

async function readArchivePart(path: string): Promise<Entry[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1)
  return lines.map(line => {
    const entry = decodeLine(line) as Entry | undefined
    if (entry === undefined) throw corrupt(path, 'the checksum of a line is wrong')
    return entry
  })
}

function journalPath({ folder, number }: Generation): string {
  return join(folder, `journal-${number}.jsonl`)
}

function requireVersion(path: string, version: number): void {
  if (version === 1) return
  throw new ProxmintError(
    `${path} was written by a newer proxmint (version ${version} of the format, not 1)`,
    { hint: 'use that version; nothing was changed' },
  )
}

function corrupt(path: string, why: string): ProxmintError {
  return new ProxmintError(`the registry is damaged: ${path}: ${why}`, {
    hint: 'nothing was changed; restore a backup with `zx scripts/registry.mts restore FILE`',
  })
}
