/** Space on storages. A storage with a size of its own is filled by volumes and files, others by their file system. */

import { stat, statfs } from 'node:fs/promises'
import { type ApiError, failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { listFiles } from './files.mts'
import { storageOf, volumesOn } from './storages.mts'

/** Bytes. */
interface Space {
  total: number
  used: number
  avail: number
}

/** Bytes of an extent of LVM. */
const EXTENT = 4 * 1024 ** 2

export async function fileSystemSpace(path: string): Promise<Space> {
  const { bsize, blocks, bavail } = await statfs(path)
  const total = bsize * blocks
  const avail = bsize * bavail
  return { total, avail, used: total - avail }
}

/** Returns the bytes a volume takes. LVM and ZFS reserve whole disks, except linked clones. Others hold written bytes. */
function held({ type }: StorageConfig, volume: Volume): number {
  if (type !== 'zfspool' && type !== 'lvm') return volume.written
  return volume.parent === undefined ? volume.size : 0
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

async function usedOf(pve: Pve, id: string, storage: StorageConfig): Promise<number> {
  const files = await listFiles(pve, id)
  const volumes = volumesOn(pve, id).map(([, volume]) => held(storage, volume))
  return sum([...volumes, ...files.map(file => file.size)])
}

/** Returns the space of a storage on the node that `pve` works on. */
export async function spaceOf(pve: Pve, id: string): Promise<Space> {
  const storage = storageOf(pve, id)
  if (storage.size === undefined) return fileSystemSpace(storage.path)
  const used = Math.min(storage.size, await usedOf(pve, id, storage))
  return { total: storage.size, used, avail: storage.size - used }
}

/** Checks whether files and volumes need more than the storage has. */
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

function groupFull(volid: string, volume: Volume): string {
  return `lvcreate '${nameOf(volid, volume)}' error:   Volume group "${volume.storage}" has insufficient free space: ${Math.ceil(volume.size / EXTENT)} extents required.`
}

/** Checks for a full thin pool, which refuses even a blank disk that needs no space. */
async function isThinPoolFull(pve: Pve, id: string, source: string | undefined): Promise<boolean> {
  const isBlankOnThin = storageOf(pve, id).type === 'lvmthin' && source === undefined
  return isBlankOnThin && (await spaceOf(pve, id)).avail === 0
}

/** Makes the error of the tool behind a type of storage. @param source path of the copied disk. */
function outOfSpace(
  { type }: StorageConfig,
  volid: string,
  volume: Volume,
  source: string | undefined,
): ApiError {
  if (type === 'zfspool') return failure(`zfs error: cannot create '${nameOf(volid, volume)}': out of space`)
  if (type === 'lvm') return failure(groupFull(volid, volume))
  // Only copies and cloud-init drives write to a new volume.
  return failure(copyFailed(volume, source ?? 'cloud-init'))
}

/**
 * Checks the space for a new volume that the storage already contains.
 * @throws {ApiError} of the tool behind that type of storage.
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

/** Checks the space for volumes that will come from another node's storages of the same ids. @throws {ApiError} */
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

/** Checks the space for a new file. @param replaced path of the file that it will overwrite, if that exists. */
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

/** Checks the space for a volume that has grown. Only LVM and ZFS reserve unwritten bytes. @throws {ApiError} */
export async function requireRoomToGrow(pve: Pve, volume: Volume, volid: string): Promise<void> {
  if (!(await isOverfull(pve, volume.storage))) return
  const name = nameOf(volid, volume)
  if (storageOf(pve, volume.storage).type === 'lvm')
    throw failure(`error resizing volume '/dev/${name}':   Insufficient free space`)
  throw failure(`zfs error: cannot set property for '${name}': out of space`)
}
