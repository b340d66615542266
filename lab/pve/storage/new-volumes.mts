/** Makes volumes of VMs: empty, from an image, or as copies. */

import { stat } from 'node:fs/promises'
import { isAccessible } from '../../core/files.mts'
import type { OvmfKind } from '../../guests/driver.mts'
import { failure } from '../core/errors.mts'
import { asKept, asShown } from '../core/node-paths.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig } from '../core/state.mts'
import { isStored } from './files.mts'
import { requireTrustable } from './image-file.mts'
import { shownPathOf } from './paths.mts'
import { findVolume, parseVolumeId, storageOf } from './storages.mts'
import { formatOn, isFileBased, resolveFormat } from './types.mts'
import { diskName, fillVolume, isBase, type NewVolume, reserveVolume, volumeOf } from './volumes.mts'

/** Bytes of the largest file on ext4 with blocks of 4 KiB. */
const LARGEST_FILE = 16 * 1024 ** 4

/** Checks that a file can have this size. Only a raw disk is as large as its file. @throws {ApiError} of qemu-img */
function requirePossible(pve: Pve, { volid, volume }: NewVolume, size: number): void {
  const { format, storage } = volume
  if (size < LARGEST_FILE || format !== 'raw' || !isFileBased(storageOf(pve, storage))) return
  const path = shownPathOf(pve, parseVolumeId(volid)!)
  throw failure(
    `unable to create image: qemu-img: ${path}: The image size is too large for file format 'raw'`,
  )
}

/**
 * Makes an empty disk.
 * @param size bytes; the storage may round it up.
 * @param wanted format. Default: that of the storage. @throws {ApiError} if the storage does not know it.
 * @param chosen name without folder and extension. Default: the next free one of a disk.
 */
export async function createVolume(
  pve: Pve,
  storage: string,
  vmid: number,
  size: number,
  wanted?: string,
  chosen?: string,
): Promise<NewVolume> {
  const format = formatOn(storageOf(pve, storage), wanted)
  const created = reserveVolume(pve, { storage, vmid, name: chosen ?? diskName(pve, storage, vmid), format })
  return fillVolume(pve, created, async path => {
    requirePossible(pve, created, size)
    await pve.driver.createDisk(path, size)
    return { size, written: 0 }
  })
}

/** Makes the disk of a firmware's variables. @param size bytes of the variables; the storage may round them up. */
export function createEfiVolume(
  pve: Pve,
  { storage, vmid, format: wanted }: CopyTarget,
  size: number,
  kind: OvmfKind,
): Promise<NewVolume> {
  const format = formatOn(storageOf(pve, storage), wanted)
  const created = reserveVolume(pve, { storage, vmid, name: diskName(pve, storage, vmid), format })
  return fillVolume(pve, created, async path => {
    if (pve.driver.createEfiDisk) await pve.driver.createEfiDisk(path, kind)
    else await pve.driver.createDisk(path, size)
    return { size, written: size }
  })
}

/** Bytes of a cloud-init drive on every storage (PVE/QemuServer/Cloudinit.pm). */
const CLOUD_INIT_SIZE = 4 * 1024 ** 2

/** Makes the volume of a cloud-init drive. Each start generates its content again. */
export async function createCloudInitVolume(
  pve: Pve,
  storageId: string,
  vmid: number,
  wanted?: string,
): Promise<NewVolume> {
  const storage = storageOf(pve, storageId)
  const format = formatOn(storage, wanted ?? (isFileBased(storage) ? 'qcow2' : 'raw'))
  const created = reserveVolume(pve, { storage: storageId, vmid, name: `vm-${vmid}-cloudinit`, format })
  return fillVolume(pve, created, async path => {
    await pve.driver.createDisk(path, CLOUD_INIT_SIZE)
    return { size: CLOUD_INIT_SIZE, written: CLOUD_INIT_SIZE }
  })
}

/**
 * Makes the volume for a VM's memory. It has no content: the guest driver writes it. Unlike a disk, it may be on any
 * storage.
 * @param state size in bytes.
 */
export function createStateVolume(
  pve: Pve,
  storage: string,
  vmid: number,
  { name, size }: { name: string; size: number },
): Promise<NewVolume> {
  const created = reserveVolume(pve, { storage, vmid, name, format: 'raw' })
  return fillVolume(pve, created, async () => ({ size, written: 0 }))
}

/** Place for a copy. `format` is a hint: a storage that does not know it takes its default. */
interface CopyTarget {
  storage: string
  vmid: number
  format?: string | undefined
}

/** Finds the volume of a VM by the path that the node shows. */
function volumeAt(pve: Pve, path: string): string | undefined {
  return Object.keys(pve.store.state.volumes).find(volid => {
    const id = parseVolumeId(volid)!
    return findVolume(pve, volid) !== undefined && shownPathOf(pve, id) === path
  })
}

/**
 * Returns the lab's path of an image file. A path of the node names no format, so the file's content tells it.
 * @throws {ApiError} for a path that leads out of the storages, also by a link.
 */
async function imageAt(pve: Pve, path: string): Promise<{ path: string; format: string | undefined }> {
  const place = { state: pve.store.state, node: pve.node }
  const isKept = asShown(place, path) !== path
  const kept = isKept ? path : asKept(place, path)
  if (kept === undefined || ((await isAccessible(kept)) && !(await isStored(pve, kept))))
    throw failure(`can't find file '${path}'`)
  return { path: kept, format: isKept ? /\.(\w+)$/.exec(path)?.[1] : undefined }
}

/**
 * Makes a disk from an image file.
 * @param image absolute path, as the lab keeps the file or as the node shows it.
 * @throws {ApiError} for a file that is missing, in a wrong format, or that names other files.
 */
export async function importVolume(pve: Pve, target: CopyTarget, image: string): Promise<NewVolume> {
  const { storage, vmid, format: hint } = target
  const disk = volumeAt(pve, image)
  const format = resolveFormat(storageOf(pve, storage), hint)
  if (disk !== undefined) return cloneVolume(pve, disk, { ...target, format })
  const source = await imageAt(pve, image)
  await requireTrustable(pve, source.path, source.format)
  const created = reserveVolume(pve, { storage, vmid, name: diskName(pve, storage, vmid), format })
  return fillVolume(pve, created, async path => {
    // A disk is a whole number of blocks of 512 bytes.
    const size = Math.ceil((await pve.driver.importDisk(source.path, path)) / 512) * 512
    return { size, written: Math.min(size, (await stat(source.path)).size), source: source.path }
  })
}

/** Makes a disk from a file that a backup holds. @param size bytes of the disk. */
export function restoreVolume(
  pve: Pve,
  { storage, vmid, format: hint }: CopyTarget,
  file: string,
  size: number,
): Promise<NewVolume> {
  const format = resolveFormat(storageOf(pve, storage), hint)
  const created = reserveVolume(pve, { storage, vmid, name: diskName(pve, storage, vmid), format })
  return fillVolume(pve, created, async path => {
    await pve.driver.restoreDisk(file, path)
    return { size, written: Math.min(size, (await stat(file)).size), source: file }
  })
}

/** Returns the written bytes of a volume, together with those of its base. */
function writtenIn(pve: Pve, volid: string): number {
  const { written, parent } = volumeOf(pve, volid)
  return written + (parent === undefined ? 0 : writtenIn(pve, parent))
}

/** Checks for storages that share blocks below the volumes: a linked clone there does not name its base. */
function isIndependent({ type }: StorageConfig): boolean {
  return type === 'lvmthin' || type === 'btrfs'
}

/**
 * Copies a volume for another VM, or to another storage. The copy has the source's format if the storage knows it.
 * @param snapshot copies the volume as it was then.
 */
export function cloneVolume(
  pve: Pve,
  source: string,
  target: CopyTarget,
  snapshot?: string,
): Promise<NewVolume> {
  const { path: from, size, format: own, snapshots } = volumeOf(pve, source)
  const format = resolveFormat(storageOf(pve, target.storage), target.format ?? own)
  const name = diskName(pve, target.storage, target.vmid)
  const copied = snapshot === undefined ? size : (snapshots?.[snapshot] ?? size)
  return fillVolume(pve, reserveVolume(pve, { ...target, name, format }), async path => {
    await pve.driver.cloneDisk(from, path, 'full', snapshot)
    return { size: copied, written: writtenIn(pve, source), source: from }
  })
}

/** Makes a linked clone of a base on its own storage. A file-based storage makes it in format qcow2. */
export function linkVolume(pve: Pve, base: string, vmid: number): Promise<NewVolume> {
  const { path: from, size, storage } = volumeOf(pve, base)
  const independent = isIndependent(storageOf(pve, storage))
  const format = resolveFormat(storageOf(pve, storage), 'qcow2')
  const parent = independent ? undefined : base
  const name = diskName(pve, storage, vmid)
  return fillVolume(pve, reserveVolume(pve, { storage, vmid, name, format, parent }), async path => {
    await pve.driver.cloneDisk(from, path, independent ? 'full' : 'linked')
    return { size, written: 0, source: from }
  })
}

/** Makes a full copy for the same VM on another node's storage. */
export function copyOf(here: Pve, there: Pve, volid: string, storage: string): Promise<NewVolume> {
  const { path: from, size, vmid, format: own } = volumeOf(here, volid)
  const format = resolveFormat(storageOf(there, storage), own)
  const free = diskName(there, storage, vmid)
  const name = /vm-\d+-cloudinit/.exec(volid)?.[0] ?? (isBase(volid) ? free.replace('vm', 'base') : free)
  return fillVolume(there, reserveVolume(there, { storage, vmid, name, format }), async path => {
    await here.driver.cloneDisk(from, path, 'full')
    return { size, written: writtenIn(here, volid), source: from }
  })
}
