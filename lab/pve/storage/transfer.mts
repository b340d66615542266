/** Puts files in place that come by upload or by download-url. It checks them first. */

import { createHash, randomUUID } from 'node:crypto'
import { constants, createReadStream, createWriteStream } from 'node:fs'
import { copyFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isAccessible } from '../../core/files.mts'
import { failure } from '../core/errors.mts'
import { asShown } from '../core/node-paths.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { failIfFull } from '../faults/disk-faults.mts'
import { requireContent } from './arrival.mts'
import { decompress, requireDecompressor } from './decompress.mts'
import { wget } from './fetch.mts'
import { cleanFilename, requireFolder } from './files.mts'
import { hasRoomForFile } from './space.mts'
import { storageOf } from './storages.mts'
import { isFileBased } from './types.mts'

export type TransferContent = 'iso' | 'vztmpl' | 'import'

export interface Checksum {
  /** `sha256`, `sha512`, ... */
  algorithm: string
  expected: string
}

interface Destination {
  storage: string
  content: TransferContent
  /** Name without folder. */
  name: string
  /** Absolute path. */
  path: string
}

/** Way of a file to the storage. For each one Proxmox has its own texts and its own order of checks. */
type Way = 'upload' | 'download'

function requireFileBased(way: Way, storage: StorageConfig): void {
  if (isFileBased(storage)) return
  const more = way === 'download' ? ', not a file based storage!' : ''
  throw failure(`can't upload to storage type '${storage.type}'${more}`)
}

function requireType(way: Way, id: string, storage: StorageConfig, content: TransferContent): void {
  if (storage.content.includes(content)) return
  if (way === 'download') throw failure(`storage '${id}' is not configured for content-type '${content}'`)
  throw failure(`storage '${id}' does not support '${content}' content`)
}

/** Returns the place for a file. @throws {ApiError} if the storage does not accept the kind or the name. */
export async function destinationOf(
  pve: Pve,
  id: string,
  content: TransferContent,
  filename: string,
  way: Way,
): Promise<Destination> {
  const storage = storageOf(pve, id)
  requireFileBased(way, storage)
  if (way === 'download') requireType(way, id, storage, content)
  const name = cleanFilename(content, filename)
  requireType(way, id, storage, content)
  return { storage: id, content, name, path: join(await requireFolder(pve, id, content), name) }
}

async function digestOf(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

/** @param more end of the error's text. */
async function verify(path: string, { algorithm, expected }: Checksum, more = ''): Promise<void> {
  const got = await digestOf(path, algorithm)
  if (got !== expected.toLowerCase())
    throw failure(`checksum mismatch: got '${got}' != expect '${expected}'${more}`)
}

/** Moves an uploaded file into place and replaces an older one. Leaves nothing if the file is not right. */
export async function storeUpload(
  pve: Pve,
  source: string,
  destination: Destination,
  checksum: Checksum | undefined,
  task: TaskContext,
): Promise<void> {
  const shown = shownIn(pve, destination.path)
  // A random name, because two uploads can have one target.
  const temporary = `${destination.path}.${randomUUID()}.tmp_upload`
  task.log(`starting file import from: ${uploadName(source)}`)
  try {
    await pve.pause(DURATIONS.transfer)
    failIfFull(pve.faults, pve.store.state.storages, destination.path)
    if (checksum) {
      await verify(source, checksum)
      task.log('calculating checksum...OK, checksum verified')
    }
    await requireContent(pve, destination, source, uploadName(source))
    task.log(`target node: ${pve.node}`)
    task.log(`target file: ${shown}`)
    task.log(`file size is: ${(await stat(source)).size}`)
    task.log(`command: cp -- ${uploadName(source)} ${shown}`)
    if (!(await hasRoomForFile(pve, destination.storage, source, destination.path)))
      throw failure(`import failed: cp: error writing '${shown}': No space left on device`)
    await copyFile(source, temporary, constants.COPYFILE_EXCL)
    await rename(temporary, destination.path)
    task.log('finished file import successfully')
  } finally {
    await rm(temporary, { force: true })
    await rm(source, { force: true })
  }
}

function shownIn(pve: Pve, path: string): string {
  return asShown({ state: pve.store.state, node: pve.node }, path)
}

/** Returns the path under which Proxmox keeps an upload until it is checked. */
function uploadName(source: string): string {
  return `/var/tmp/${basename(source).replace(/\.kept$/, '')}`
}

/**
 * Checks for an existing file. Returns true if it has the right checksum.
 * @throws {ApiError} for any other existing file: a download never overwrites one.
 */
async function keepExisting(pve: Pve, path: string, checksum: Checksum | undefined): Promise<boolean> {
  if (!(await isAccessible(path))) return false
  if (!checksum) throw failure(`refusing to override existing file '${shownIn(pve, path)}'`)
  await verify(path, checksum, ', aborting')
  return true
}

interface Source {
  url: string
  checksum: Checksum | undefined
  compression: string | undefined
  /** False: takes any certificate. */
  verifyCertificates: boolean
}

/** Downloads a file into place. Leaves nothing if it fails or the file is not right. */
export async function download(
  pve: Pve,
  source: Source,
  destination: Destination,
  task: TaskContext,
): Promise<void> {
  const { url, checksum, compression } = source
  const { path, content } = destination
  requireDecompressor(content, compression)
  task.log(`downloading ${url} to ${shownIn(pve, path)}`)
  if (await keepExisting(pve, path, checksum)) {
    task.log('calculating checksum of existing file...OK, got correct file already, no need to download')
    return
  }
  const number = Math.floor(Math.random() * 1e9)
  const temporary = `${path}.tmp_dwnl.${number}`
  const unpacked = `${path}.tmp_dcom.${number}`
  try {
    await pve.pause(DURATIONS.transfer)
    failIfFull(pve.faults, pve.store.state.storages, path)
    await fetchTo(pve, source, destination, temporary, task)
    if (compression !== undefined) await decompress(compression, temporary, unpacked, shownIn(pve, temporary))
    const ready = compression === undefined ? temporary : unpacked
    await requireContent(pve, destination, ready, shownIn(pve, ready)).catch(error => {
      throw failure(`failed to verify file: ${(error as Error).message}`)
    })
    await rename(ready, path)
    task.log(`download of '${url}' to '${shownIn(pve, path)}' finished`)
  } finally {
    await rm(temporary, { force: true })
    await rm(unpacked, { force: true })
  }
}

async function fetchTo(
  pve: Pve,
  { url, checksum, verifyCertificates }: Source,
  { storage, path }: Destination,
  temporary: string,
  task: TaskContext,
): Promise<void> {
  const { signal } = task
  const response = await wget(url, verifyCertificates, signal)
  await pipeline(response, createWriteStream(temporary, { flags: 'wx' }), { signal })
  if (!(await hasRoomForFile(pve, storage, temporary, path)))
    throw failure(`download failed: Cannot write to ‘${shownIn(pve, temporary)}’ (No space left on device).`)
  if (!checksum) return
  await verify(temporary, checksum)
  task.log('calculating checksum...OK, checksum verified')
}
