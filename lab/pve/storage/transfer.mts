/** Puts files in place that come by upload or by download-url. It checks them first. */

import { createHash, randomUUID } from 'node:crypto'
import { constants, createReadStream, createWriteStream } from 'node:fs'
import { copyFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { isAccessible } from '../../core/files.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { failIfFull } from '../faults/disk-faults.mts'
import { cleanFilename, requireFolder } from './files.mts'
import { hasRoomForFile } from './space.mts'
import { storageOf } from './storages.mts'
import { isFileBased } from './types.mts'

type TransferContent = 'iso' | 'vztmpl' | 'import'

export interface Checksum {
  /** `sha256`, `sha512`, ... */
  algorithm: string
  expected: string
}

interface Destination {
  /** Volume id of the file. */
  volid: string
  /** Absolute path. */
  path: string
}

function storageIn({ volid }: Destination): string {
  return volid.split(':')[0]!
}

/** Way of a file to the storage. For each one Proxmox has its own texts and its own order of checks. */
type Way = 'upload' | 'download'

function requireFileBased(way: Way, storage: StorageConfig): void {
  if (isFileBased(storage)) return
  const more = way === 'download' ? ', not a file based storage!' : ''
  throw failure(`can't upload to storage type '${storage.type}'${more}`)
}

function requireContent(way: Way, id: string, storage: StorageConfig, content: TransferContent): void {
  if (storage.content.includes(content)) return
  if (way === 'download') throw failure(`storage '${id}' is not configured for content-type '${content}'`)
  throw failure(`storage '${id}' does not support '${content}' content`)
}

/** Returns the place for a file. @throws {ApiError} if the storage does not accept the kind or the name. */
export async function destinationOf(
  pve: Pve,
  storageId: string,
  content: TransferContent,
  filename: string,
  way: Way,
): Promise<Destination> {
  const storage = storageOf(pve, storageId)
  requireFileBased(way, storage)
  if (way === 'download') requireContent(way, storageId, storage, content)
  const name = cleanFilename(content, filename)
  requireContent(way, storageId, storage, content)
  return { volid: `${storageId}:${content}/${name}`, path: join(await requireFolder(storage, content), name) }
}

async function digestOf(stream: AsyncIterable<Buffer>, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

async function verify(path: string, checksum: Checksum | undefined, task: TaskContext): Promise<void> {
  if (!checksum) return
  const got = await digestOf(createReadStream(path), checksum.algorithm)
  if (got !== checksum.expected.toLowerCase())
    throw failure(`checksum mismatch: got '${got}' != expect '${checksum.expected}'`)
  task.log('OK, checksum verified')
}

/** Moves an uploaded file into place and replaces an older one. Leaves nothing if the checksum is wrong. */
export async function storeUpload(
  pve: Pve,
  source: string,
  destination: Destination,
  checksum: Checksum | undefined,
  task: TaskContext,
): Promise<void> {
  // A random name, because two uploads can have one target.
  const temporary = `${destination.path}.${randomUUID()}.tmp_upload`
  try {
    await pve.pause(DURATIONS.transfer)
    failIfFull(pve.faults, pve.store.state.storages, destination.path)
    task.log(`target file: ${destination.path}`)
    await verify(source, checksum, task)
    if (!(await hasRoomForFile(pve, storageIn(destination), source, destination.path)))
      throw failure(`import failed: cp: error writing '${destination.path}': No space left on device`)
    await copyFile(source, temporary, constants.COPYFILE_EXCL)
    await rename(temporary, destination.path)
  } finally {
    await rm(temporary, { force: true })
    await rm(source, { force: true })
  }
}

async function fetchTo(url: string, path: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal }).catch(error => {
    const cause = (error as Error).cause as Error | undefined
    throw failure(`download failed: ${url}: ${cause?.message ?? (error as Error).message}`)
  })
  if (!response.ok || !response.body)
    throw failure(`download failed: ${url}: ${response.status} ${response.statusText}`)
  await pipeline(
    Readable.fromWeb(response.body as ReadableStream),
    createWriteStream(path, { flags: 'wx' }),
    { signal },
  )
}

/**
 * Checks for an existing file. Returns true if it has the right checksum.
 * @throws {ApiError} for any other existing file: a download never overwrites one.
 */
async function keepExisting(
  path: string,
  checksum: Checksum | undefined,
  task: TaskContext,
): Promise<boolean> {
  if (!(await isAccessible(path))) return false
  if (!checksum) throw failure(`refusing to override existing file '${path}'`)
  await verify(path, checksum, task)
  task.log('OK, got correct file already, no need to download')
  return true
}

/** Downloads a file into place. Leaves nothing if it fails or the checksum is wrong. */
export async function download(
  pve: Pve,
  url: string,
  destination: Destination,
  checksum: Checksum | undefined,
  task: TaskContext,
): Promise<void> {
  task.log(`downloading ${url} to ${destination.path}`)
  if (await keepExisting(destination.path, checksum, task)) return
  const temporary = `${destination.path}.tmp_dwnl.${randomUUID()}`
  try {
    await pve.pause(DURATIONS.transfer)
    failIfFull(pve.faults, pve.store.state.storages, destination.path)
    await fetchTo(url, temporary, task.signal)
    if (!(await hasRoomForFile(pve, storageIn(destination), temporary, destination.path)))
      throw failure(`download failed: command '/usr/bin/wget -O ${temporary} ${url}' failed: exit code 3`)
    await verify(temporary, checksum, task)
    await rename(temporary, destination.path)
    task.log('download of file finished successfully')
  } finally {
    await rm(temporary, { force: true })
  }
}
