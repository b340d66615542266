import { constants, fstatSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { type FileHandle, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder, writeFailed, writeFileAtomic } from '../../run/atomic-file.mts'
import { codeOf, ProxmintError } from '../../run/errors.mts'
import { ifThere } from '../../run/if-there.mts'
import type { Cursors } from '../allocate.mts'
import type { Entry } from '../entry.mts'
import { corrupt, exchanged, gone, requireVersion, unreadable } from './damage.mts'
import { makeRegistryFolder } from './lock.mts'
import { type Marker, markerPath, type OpenMarker, openMarker, readMarker } from './marker.mts'
import {
  applyRecord,
  decodeLine,
  emptyState,
  encodeLine,
  isTornLine,
  type JournalRecord,
  putEntry,
  type RegistryState,
  TORN_END,
} from './state.mts'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants

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
  /** Lines of the journal that were read. */
  lines: number
  /** Number of records since the snapshot. */
  length: number
  /** The journal takes no more commits. */
  sealed: boolean
  /** A newer snapshot exists. */
  replaced: boolean
  /** The journal ends in the middle of a line: its writer died, or the disk was full. */
  torn: boolean
  journal: FileHandle | undefined
  /** Commit that the registry had at least when it was opened. */
  expected: Marker | undefined
  marker: OpenMarker
}

interface Snapshot {
  version: 1
  serial: number
  cursors: Cursors
  entries: Entry[]
  /** Archives of lower numbers are those of the registry before a restore. Left out: 0. */
  archivesFrom?: number
}

const SNAPSHOT_NAME = /^snapshot-(\d+)\.json$/
const LIST_TRIES = 3

/** Reads the newest snapshot and its journal. @throws ProxmintError if one of them is damaged, or not there any more. */
export async function openGeneration(folder: string): Promise<Generation> {
  try {
    for (;;) {
      const generation = await openNewest(folder)
      if (generation !== undefined) return generation
      // Another run has just written a newer snapshot and removed this one.
    }
  } catch (cause) {
    throw cause instanceof ProxmintError || codeOf(cause) === undefined ? cause : unreadable(folder, cause)
  }
}

export async function closeGeneration(generation: Generation | undefined): Promise<void> {
  generation?.marker.close()
  await generation?.journal?.close()
}

async function openNewest(folder: string): Promise<Generation | undefined> {
  const expected = readMarker(folder)
  const number = newestSnapshot(listWithSnapshot(folder))
  const state = number === 0 ? emptyState() : await readSnapshot(join(folder, `snapshot-${number}.json`))
  if (state === undefined) return undefined
  const generation: Generation = {
    folder,
    number,
    state,
    offset: 0,
    lines: 0,
    length: 0,
    sealed: false,
    replaced: false,
    torn: false,
    journal: undefined,
    expected,
    marker: openMarker(folder),
  }
  await readTail(generation)
  if (generation.replaced) return undefined
  if (expected !== undefined && state.serial < expected.serial) {
    if (isReplaced(generation)) return undefined
    throw gone(folder, markerPath(folder), state.serial, expected.serial)
  }
  return generation
}

export function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw unreadable(folder, error)
  }
}

function newestSnapshot(names: string[]): number {
  return Math.max(0, ...names.map(name => Number(SNAPSHOT_NAME.exec(name)?.[1] ?? 0)))
}

/**
 * Lists the folder.
 * @throws ProxmintError if a journal is newer than the newest snapshot: the state before its commits is missing.
 */
function listWithSnapshot(folder: string): string[] {
  for (let tries = 1; ; tries++) {
    const names = listFolder(folder)
    const number = newestSnapshot(names)
    const orphan = names.find(name => Number(/^journal-(\d+)\.jsonl$/.exec(name)?.[1] ?? 0) > number)
    if (orphan === undefined) return names
    // Both may have been made while the folder was listed.
    if (tries === LIST_TRIES) throw corrupt(join(folder, orphan), 'the snapshot before it is missing')
  }
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
  const { serial, cursors, archivesFrom = 0 } = snapshot
  return { ...state, serial, cursors, archivesFrom }
}

/** Applies the commits that any run has made since the last call. @returns their records. */
export async function readTail(generation: Generation): Promise<JournalRecord[]> {
  const path = journalPath(generation)
  const handle = generation.journal ?? (await ifThere(open(path, 'r')))
  if (handle === undefined) {
    generation.replaced = isReplaced(generation)
    return []
  }
  try {
    return takeUp(generation, readFrom(handle.fd, generation.offset), path)
  } finally {
    if (handle !== generation.journal) await handle.close()
  }
}

function isReplaced({ folder, number }: Generation): boolean {
  return newestSnapshot(listFolder(folder)) > number
}

function readFrom(file: number, offset: number): Buffer {
  const buffer = Buffer.alloc(Math.max(0, fstatSync(file).size - offset))
  return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, offset))
}

/**
 * Applies the complete lines of the tail. A line without an end was cut short, and was never acknowledged. One that has
 * an end and cannot be read is damage, unless a later commit shows that it did not count.
 * @returns the records that count, in order.
 * @throws ProxmintError for a damaged line.
 */
function takeUp(generation: Generation, tail: Buffer, path: string): JournalRecord[] {
  const end = tail.lastIndexOf(0x0a) + 1
  const lines = tail.subarray(0, end).toString('utf8').split('\n').slice(0, -1)
  const records: JournalRecord[] = []
  let unread: number | undefined
  for (const [index, line] of lines.entries()) {
    if (isTornLine(line)) continue
    const record = decodeLine(line) as JournalRecord | undefined
    if (record === undefined) unread ??= index
    else if (take(generation, record, path)) {
      records.push(record)
      unread = undefined
    }
  }
  if (unread !== undefined) {
    const converted = lines[unread]!.endsWith('\r')
      ? '; a program has converted its ends of lines to CR LF'
      : ''
    throw corrupt(path, `the checksum of line ${generation.lines + unread + 1} is wrong${converted}`)
  }
  generation.torn = end < tail.length
  generation.offset += end
  generation.lines += lines.length
  return records
}

/** Applies a record if it counts: the first one with the next serial, in a journal that is not sealed. */
function take(generation: Generation, record: JournalRecord, path: string): boolean {
  requireVersion(path, record.version)
  const { state, expected } = generation
  if (generation.sealed || record.serial <= state.serial) return false
  if (record.serial > state.serial + 1) {
    throw corrupt(path, `commit ${state.serial + 1} cannot be read, though ${record.serial} can`)
  }
  if (expected?.serial === record.serial && expected.id !== '' && expected.id !== record.id) {
    throw exchanged(path, markerPath(generation.folder), record.serial)
  }
  applyRecord(state, record)
  generation.length++
  generation.sealed = record.seal
  return true
}

/**
 * Appends a record and syncs it. The order of the lines in the file decides which of two records counts, so a record
 * that came second is not synced.
 * @returns false if another writer committed this serial first, sealed the journal or restored a backup. The state is up
 *   to date in all cases.
 * @throws ProxmintError if the file cannot be written.
 */
export async function append(generation: Generation, record: JournalRecord): Promise<boolean> {
  const path = journalPath(generation)
  try {
    const journal = await journalFor(generation, path)
    if (journal === undefined) return false
    writeLine(generation, journal.fd, record)
    if (!(await readTail(generation)).some(({ id }) => id === record.id)) return false
    await journal.datasync()
  } catch (cause) {
    throw cause instanceof ProxmintError ? cause : writeFailed(path, cause)
  }
  if (await isDropped(generation, record)) return false
  generation.marker.note(record.serial, record.id)
  return true
}

/** Open journal to append to; undefined if it was replaced. */
async function journalFor(generation: Generation, path: string): Promise<FileHandle | undefined> {
  if (generation.journal === undefined) {
    generation.journal = await openForAppending(generation.folder, path)
    // If the journal was removed, opening it has made an empty one, which no run reads.
    generation.replaced = isReplaced(generation)
  } else {
    generation.replaced = !isAt(path, generation.journal.fd)
  }
  return generation.replaced ? undefined : generation.journal
}

function writeLine({ torn }: Generation, file: number, record: JournalRecord): void {
  const line = Buffer.from(`${torn ? `${TORN_END}\n` : ''}${encodeLine(record)}`)
  if (writeSync(file, line) < line.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' })
}

/** Checks whether a restore has replaced the registry before this commit was acknowledged: it is not in the new one. */
async function isDropped(generation: Generation, { serial }: JournalRecord): Promise<boolean> {
  const { folder } = generation
  generation.replaced = isReplaced(generation)
  if (!generation.replaced) return false
  return (await openGeneration(folder)).state.archivesFrom > serial
}

/** Checks whether the open journal is still the file at `path`. It is not if it was removed or moved aside. */
function isAt(path: string, file: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(file).ino
}

async function openForAppending(folder: string, path: string): Promise<FileHandle> {
  makeRegistryFolder(folder)
  const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  await syncFolder(folder)
  return handle
}

/** Writes archive and snapshot after a sealed journal, and removes the files that they replace. */
export async function finishSealed({ folder, state }: Generation): Promise<void> {
  const { serial, cursors, archived, archivesFrom } = state
  await writeArchive(folder, serial, archived)
  const entries = [...state.entries.values()]
  await writeSnapshot(folder, {
    version: 1,
    serial,
    cursors,
    entries,
    ...(archivesFrom > 0 && { archivesFrom }),
  })
  await removeOlder(folder, serial)
}

/** Writes the entries that were archived since the last snapshot. */
export async function writeArchive(folder: string, serial: number, archived: Entry[]): Promise<void> {
  if (archived.length === 0) return
  await writeFileAtomic(join(folder, `archive-${serial}.jsonl`), archived.map(encodeLine).join(''), 0o600)
}

/** Writes a snapshot. By the rename of its file it becomes the state of the registry. */
export async function writeSnapshot(folder: string, snapshot: Snapshot): Promise<void> {
  await writeFileAtomic(join(folder, `snapshot-${snapshot.serial}.json`), encodeLine(snapshot), 0o600)
}

async function removeOlder(folder: string, serial: number): Promise<void> {
  for (const name of listFolder(folder)) {
    const number = /^(?:snapshot|journal)-(\d+)\.jsonl?$/.exec(name)?.[1]
    if (number !== undefined && Number(number) < serial) await rm(join(folder, name), { force: true })
  }
}

/** Entries that were archived before this generation, oldest first. @throws ProxmintError if a file is damaged. */
export async function readArchive({ folder, number, state }: Generation): Promise<Entry[]> {
  const serials = listFolder(folder)
    .map(name => Number(/^archive-(\d+)\.jsonl$/.exec(name)?.[1] ?? Number.NaN))
    .filter(serial => serial <= number && serial >= state.archivesFrom)
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
