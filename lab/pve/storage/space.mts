/** How full a storage is: as full as the file system it lies on, or of a size of its own that volumes and files fill. */

import { stat, statfs } from 'node:fs/promises'
import type { ApiError } from '../core/errors.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { listFiles } from './files.mts'
import { storageOf, volumesOn } from './storages.mts'

/** In bytes. */
export interface Space {
  total: number
  used: number
  avail: number
}

export async function fileSystemSpace(path: string): Promise<Space> {
  const { bsize, blocks, bavail } = await statfs(path)
  const total = bsize * blocks
  const avail = bsize * bavail
  return { total, avail, used: total - avail }
}

/** A ZFS pool reserves the whole of a disk, except of a linked clone's; the others hold what was written. */
function held({ type }: StorageConfig, volume: Volume): number {
  return type !== 'zfspool' ? volume.written : volume.parent === undefined ? volume.size : 0
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

async function usedOf(pve: Pve, id: string, storage: StorageConfig): Promise<number> {
  const files = await listFiles(pve, id)
  const volumes = volumesOn(pve, id).map(([, volume]) => held(storage, volume))
  return sum([...volumes, ...files.map(file => file.size)])
}

/** Of a storage on the node `pve` works on. */
export async function spaceOf(pve: Pve, id: string): Promise<Space> {
  const storage = storageOf(pve, id)
  if (storage.size === undefined) return fileSystemSpace(storage.path)
  const used = Math.min(storage.size, await usedOf(pve, id, storage))
  return { total: storage.size, used, avail: storage.size - used }
}

/** Whether files and volumes are more than the storage takes. */
async function isOverfull(pve: Pve, id: string): Promise<boolean> {
  const storage = storageOf(pve, id)
  return storage.size !== undefined && (await usedOf(pve, id, storage)) > storage.size
}

function nameOf(volid: string, { storage }: Volume): string {
  return `${storage}/${volid.split(/[:/]/).at(-1)}`
}

function copyFailed(volume: Volume, source: string): string {
  return `copy failed: command '/usr/bin/qemu-img convert -p -n -O ${volume.format} ${source} ${volume.path}' failed: exit code 1`
}

function thinPoolFull(volid: string, volume: Volume): string {
  return `lvcreate '${nameOf(volid, volume)}' error:   Cannot create new thin volume, free space in thin pool ${volume.storage}/data reached threshold.`
}

/** Whether a blank disk, which takes nothing, is refused by a thin pool that has nothing left. */
async function isThinPoolFull(pve: Pve, id: string, source: string | undefined): Promise<boolean> {
  const isBlankOnThin = storageOf(pve, id).type === 'lvmthin' && source === undefined
  return isBlankOnThin && (await spaceOf(pve, id)).avail === 0
}

/** What the tools behind a type of storage say. */
function outOfSpace(
  { type }: StorageConfig,
  volid: string,
  volume: Volume,
  source: string | undefined,
): ApiError {
  if (type === 'zfspool') return failure(`zfs error: cannot create '${nameOf(volid, volume)}': out of space`)
  // Nothing but copies and cloud-init drives writes.
  return failure(copyFailed(volume, source ?? 'cloud-init'))
}

/**
 * Looks whether there is room for a volume that the storage holds already.
 * @throws the error of the tools behind that type of storage.
 */
export async function requireRoom(
  pve: Pve,
  volid: string,
  volume: Volume,
  source: string | undefined,
): Promise<void> {
  const { storage: id } = volume
  if (await isThinPoolFull(pve, id, source)) throw failure(thinPoolFull(volid, volume))
  if (await isOverfull(pve, id)) throw outOfSpace(storageOf(pve, id), volid, volume, source)
}

/** The same for several that are still to come, from another node's storages of the same ids. */
export async function requireRoomForAll(
  there: Pve,
  volumes: [volid: string, volume: Volume][],
): Promise<void> {
  const left = new Map<string, number>()
  for (const [volid, volume] of volumes) {
    const storage = storageOf(there, volume.storage)
    const before = left.get(volume.storage) ?? (await spaceOf(there, volume.storage)).avail
    left.set(volume.storage, before - held(storage, volume))
    if (storage.size !== undefined && left.get(volume.storage)! < 0)
      throw outOfSpace(storage, volid, volume, volume.path)
  }
}

/** Whether a storage takes a file that is still to come, in the place of one that is there. */
export async function hasRoomForFile(
  pve: Pve,
  id: string,
  source: string,
  replaced: string,
): Promise<boolean> {
  if (storageOf(pve, id).size === undefined) return true
  const sizes = [source, replaced].map(path =>
    stat(path).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  const [size, freed] = await Promise.all(sizes)
  return size! - freed! <= (await spaceOf(pve, id)).avail
}

/** The same for a volume that has grown; only a ZFS pool reserves what nobody has written. */
export async function requireRoomToGrow(pve: Pve, volume: Volume, volid: string): Promise<void> {
  if (await isOverfull(pve, volume.storage))
    throw failure(`zfs error: cannot set property for '${nameOf(volid, volume)}': out of space`)
}
