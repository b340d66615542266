import { type FileHandle, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFailed, writeFileAtomic } from '../../run/atomic-file.mts'
import { codeOf, ProxmintError } from '../../run/errors.mts'
import type { Cursors } from '../allocate.mts'
import type { Entry } from '../entry.mts'
import { decodeLine, encodeLine } from './line.mts'
import { applyRecord, emptyState, type JournalRecord, putEntry, type RegistryState } from './state.mts'

/**
 * A snapshot and the journal that goes on from it. `snapshot-N.json` is the state after the commit N;
 * `journal-N.jsonl` holds the commits after that, until it is sealed by the commit M. Then come `archive-M.jsonl`,
 * the entries that ended in between, and `snapshot-M.json`, both replaced whole; whoever makes them makes the same.
 */
export interface Generation {
  folder: string
  /** Serial of the snapshot; 0 without one. */
  number: number
  state: RegistryState
  /** How much of the journal is in the state, in bytes. */
  offset: number
  /** Records since the snapshot. */
  length: number
  /** Nothing can be committed to this journal any more. */
  sealed: boolean
  /** There is a newer snapshot, and this journal is gone. */
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

const snapshotName = /^snapshot-(\d+)\.json$/

/** Reads the newest snapshot and its journal. */
export async function openGeneration(folder: string): Promise<Generation> {
  for (;;) {
    const generation = await openNewest(folder)
    if (generation !== undefined) return generation
    // Somebody made a newer one and removed what we were about to read.
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
  return readdir(folder).catch(error => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
}

function newestSnapshot(names: string[]): number {
  return Math.max(0, ...names.map(name => Number(snapshotName.exec(name)?.[1] ?? 0)))
}

/** A journal that begins where no snapshot is would be commits without what they changed. */
function requireSnapshot(folder: string, names: string[], number: number): void {
  const orphan = names.find(name => Number(/^journal-(\d+)\.jsonl$/.exec(name)?.[1] ?? 0) > number)
  if (orphan === undefined) return
  throw corrupt(join(folder, orphan), 'the snapshot it goes on from is not there')
}

/** Undefined when the file is gone. */
async function readSnapshot(path: string): Promise<RegistryState | undefined> {
  const text = await readFile(path, 'utf8').catch(error => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const snapshot = decodeLine(text.trimEnd()) as Snapshot | undefined
  if (snapshot === undefined) throw corrupt(path, 'its checksum is wrong')
  requireVersion(path, snapshot.version)
  const state = emptyState()
  for (const entry of snapshot.entries) putEntry(state, entry)
  return { ...state, serial: snapshot.serial, cursors: snapshot.cursors }
}

/** Takes up what was committed since; by whomever. */
export async function readTail(generation: Generation): Promise<JournalRecord[]> {
  const path = journalPath(generation)
  const handle = generation.journal ?? (await openForReading(path))
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

async function openForReading(path: string): Promise<FileHandle | undefined> {
  return open(path, 'r').catch(error => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
}

async function readFrom(handle: FileHandle, offset: number): Promise<Buffer> {
  const { size } = await handle.stat()
  const buffer = Buffer.alloc(Math.max(0, size - offset))
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
  return buffer.subarray(0, bytesRead)
}

/** @returns the records that count, in their order. */
function takeUp(generation: Generation, tail: Buffer, path: string): JournalRecord[] {
  const end = tail.lastIndexOf(0x0a) + 1
  generation.torn = end < tail.length
  generation.offset += end
  const lines = tail.subarray(0, end).toString('utf8').split('\n')
  // A line that cannot be read was never acknowledged: if it was, the next serial shows that one is missing.
  const records = lines.map(line => decodeLine(line) as JournalRecord | undefined)
  return records.filter(record => record !== undefined).filter(record => take(generation, record, path))
}

/** Whether the record counts: the first with the next serial, in a journal that is not sealed. */
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
 * @returns whether it counts: not so when another writer was faster, or sealed the journal, whatever the lock
 *   said meanwhile. The state is up to date either way.
 */
export async function append(generation: Generation, record: JournalRecord): Promise<boolean> {
  const path = journalPath(generation)
  try {
    if (generation.journal === undefined) {
      generation.journal = await openForAppending(generation.folder, path)
      // A journal that was removed has just come back empty, and nobody reads it any more.
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

/** Not so of a journal that was removed, or moved aside with its registry. */
async function isAt(path: string, handle: FileHandle): Promise<boolean> {
  const [opened, found] = await Promise.all([
    handle.stat(),
    stat(path).catch(error => {
      if (codeOf(error) !== 'ENOENT') throw error
    }),
  ])
  return opened.ino === found?.ino
}

async function openForAppending(folder: string, path: string): Promise<FileHandle> {
  const handle = await open(path, 'a+', 0o600)
  await using directory = await open(folder, 'r')
  await directory.sync()
  return handle
}

/** Writes what follows a sealed journal, and removes what it replaces. */
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

/** Entries that ended before this generation, oldest first. */
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
    {
      hint: 'use that version; nothing was changed',
    },
  )
}

function corrupt(path: string, why: string): ProxmintError {
  return new ProxmintError(`the registry is damaged: ${path}: ${why}`, {
    hint: 'nothing was changed; bring back a backup with `zx scripts/registry.mts restore FILE`',
  })
}
