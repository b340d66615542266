/** Volumes of VMs: Proxmox's names for them, and the work of the guest driver. */

import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isAccessible } from '../../core/files.mts'
import type { OvmfKind } from '../../guests/driver.mts'
import { failure } from '../core/errors.mts'
import { asKept, asShown } from '../core/node-paths.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { isStored } from './files.mts'
import { requireTrustable } from './image-file.mts'
import { volumeName } from './names.mts'
import { shownPathOf } from './paths.mts'
import { requireRoom, requireRoomToGrow } from './space.mts'
import { findVolume, parseVolumeId, storageOf } from './storages.mts'
import {
  type Aspect,
  type Feature,
  formatOn,
  isFileBased,
  resolveFormat,
  roundedSize,
  traitsOf,
} from './types.mts'

export interface NewVolume {
  volid: string
  volume: Volume
}

function baseNameOf(volid: string): string {
  return volid.split(/[:/]/).at(-1) ?? volid
}

/** Finds a free number for a disk of a VM on a storage. The `base-` names of a template count, too. */
function freeIndex(pve: Pve, storageId: string, vmid: number): number {
  const prefix = new RegExp(`^(?:vm|base)-${vmid}-disk-(\\d+)`)
  const used = Object.entries(pve.store.state.volumes)
    .filter(([, volume]) => volume.storage === storageId)
    .map(([volid]) => prefix.exec(baseNameOf(volid))?.[1])
  let index = 0
  while (used.includes(String(index))) index += 1
  return index
}

function volumePath(storage: StorageConfig, name: string): string {
  return isFileBased(storage) ? join(storage.path, 'images', name) : join(storage.path, name)
}

/** Returns a volume's own name, without the base of a linked clone. */
function ownName(storage: StorageConfig, volid: string): string {
  return volid
    .split(/[:/]/)
    .slice(isFileBased(storage) ? -2 : -1)
    .join('/')
}

/** Returns a path that no volume has: a volume keeps its path when it gets another name. */
function freePath(pve: Pve, wanted: string): string {
  const taken = new Set(Object.values(pve.store.state.volumes).map(({ path }) => path))
  let path = wanted
  for (let index = 1; taken.has(path); index += 1) path = `${wanted}.${index}`
  return path
}

interface Placement {
  storage: string
  vmid: number
  name: string
  /** Volume id of a linked clone's base. */
  parent?: string | undefined
  format: Volume['format']
}

/** Enters a volume into the state before the driver makes it, so that two workers never choose one name. */
function reserve(pve: Pve, placement: Placement): NewVolume {
  const { storage: storageId, vmid, name, parent, format } = placement
  const storage = storageOf(pve, storageId)
  const own = volumeName(storage, vmid, name, format)
  const volid = `${storageId}:${parent === undefined ? own : `${ownName(storage, parent)}/${own}`}`
  const path = freePath(pve, volumePath(storage, own))
  const ctime = Math.floor(Date.now() / 1000)
  const node = storage.shared ? undefined : pve.node
  const volume = { storage: storageId, node, vmid, format, size: 0, written: 0, path, parent, ctime }
  pve.store.state.volumes[volid] = { ...volume }
  return { volid, volume: pve.store.state.volumes[volid] }
}

type Filling = Pick<Volume, 'size' | 'written'> & {
  /** Path of the source of a copy. */
  source?: string
}

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

/** Fills a reserved volume and checks the space. If that fails, removes the volume. */
async function fillVolume(
  pve: Pve,
  created: NewVolume,
  fill: (path: string) => Promise<Filling>,
): Promise<NewVolume> {
  try {
    await mkdir(dirname(created.volume.path), { recursive: true })
    const { size, written, source } = await fill(created.volume.path)
    Object.assign(created.volume, {
      size: roundedSize(storageOf(pve, created.volume.storage), size),
      written,
    })
    await requireRoom(pve, created.volid, created.volume, source)
    return created
  } catch (error) {
    delete pve.store.state.volumes[created.volid]
    await pve.driver.deleteDisk(created.volume.path).catch(() => {})
    throw error
  }
}

/** Removes volumes that a failed worker made. */
export async function dropVolumes(pve: Pve, created: NewVolume[]): Promise<void> {
  for (const { volid, volume } of created) {
    await pve.driver.deleteDisk(volume.path)
    delete pve.store.state.volumes[volid]
  }
}

function diskName(pve: Pve, storageId: string, vmid: number): string {
  return `vm-${vmid}-disk-${freeIndex(pve, storageId, vmid)}`
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
  const created = reserve(pve, { storage, vmid, name: chosen ?? diskName(pve, storage, vmid), format })
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
  const created = reserve(pve, { storage, vmid, name: diskName(pve, storage, vmid), format })
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
  const created = reserve(pve, { storage: storageId, vmid, name: `vm-${vmid}-cloudinit`, format })
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
  const created = reserve(pve, { storage, vmid, name, format: 'raw' })
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
  const created = reserve(pve, { storage, vmid, name: diskName(pve, storage, vmid), format })
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
  const created = reserve(pve, { storage, vmid, name: diskName(pve, storage, vmid), format })
  return fillVolume(pve, created, async path => {
    await pve.driver.restoreDisk(file, path)
    return { size, written: Math.min(size, (await stat(file)).size), source: file }
  })
}

export function volumeOf(pve: Pve, volid: string): Volume {
  const volume = findVolume(pve, volid)
  if (!volume) throw failure(`volume '${volid}' does not exist`)
  return volume
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
  return fillVolume(pve, reserve(pve, { ...target, name, format }), async path => {
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
  return fillVolume(pve, reserve(pve, { storage, vmid, name, format, parent }), async path => {
    await pve.driver.cloneDisk(from, path, independent ? 'full' : 'linked')
    return { size, written: 0, source: from }
  })
}

/** Grows a disk to `wanted` bytes or the next size that its storage can give. @throws {ApiError} if its storage has no room. */
export async function growVolume(pve: Pve, volid: string, wanted: number): Promise<void> {
  const volume = volumeOf(pve, volid)
  const before = volume.size
  const size = roundedSize(storageOf(pve, volume.storage), Math.ceil(wanted / 1024) * 1024)
  volume.size = size
  try {
    await requireRoomToGrow(pve, volume, volid)
    await pve.driver.resizeDisk(volume.path, size)
  } catch (error) {
    volume.size = before
    throw error
  }
}

export function isBase(volid: string): boolean {
  return /[:/]base-\d+-disk-\d+[^/]*$/.test(volid)
}

/** Makes a full copy for the same VM on another node's storage. */
export function copyOf(here: Pve, there: Pve, volid: string, storage: string): Promise<NewVolume> {
  const { path: from, size, vmid, format: own } = volumeOf(here, volid)
  const format = resolveFormat(storageOf(there, storage), own)
  const free = diskName(there, storage, vmid)
  const name = /vm-\d+-cloudinit/.exec(volid)?.[0] ?? (isBase(volid) ? free.replace('vm', 'base') : free)
  return fillVolume(there, reserve(there, { storage, vmid, name, format }), async path => {
    await here.driver.cloneDisk(from, path, 'full')
    return { size, written: writtenIn(here, volid), source: from }
  })
}

/** Checks whether a volume's storage and format allow something (`volume_has_feature` in PVE/Storage.pm). */
export function hasFeature(pve: Pve, feature: Feature, volid: string, aspect?: Aspect): boolean {
  const volume = findVolume(pve, volid)
  if (!volume) return false
  const { features } = traitsOf(storageOf(pve, volume.storage))
  const allowed = features[feature]?.[aspect ?? (isBase(volid) ? 'base' : 'current')]
  return allowed?.includes(volume.format) === true
}

export function isBaseInUse(pve: Pve, volid: string): boolean {
  return Object.values(pve.store.state.volumes).some(volume => volume.parent === volid)
}

/** Deletes a volume. @throws {ApiError} for a base that linked clones need. */
export async function freeVolume(pve: Pve, volid: string): Promise<void> {
  const volume = volumeOf(pve, volid)
  if (isBaseInUse(pve, volid))
    throw failure(`base volume '${volid.slice(volid.indexOf(':') + 1)}' is still in use by linked clones`)
  await pve.driver.deleteDisk(volume.path)
  delete pve.store.state.volumes[volid]
}

/** Gives a volume another id. Its path stays. */
function rename(pve: Pve, volid: string, renamed: string): string {
  const volume = volumeOf(pve, volid)
  delete pve.store.state.volumes[volid]
  pve.store.state.volumes[renamed] = volume
  return renamed
}

/** Gives a volume the name of a template's disk, `base-...`. Returns the new volume id. */
export function renameToBase(pve: Pve, volid: string): string {
  return rename(pve, volid, volid.replace(/(^|[:/])vm-(\d+-disk-\d+)/, '$1base-$2'))
}

/** Gives a volume to another VM, under a name of that VM. Returns the new volume id. */
export function renameToVm(pve: Pve, volid: string, vmid: number): string {
  const volume = volumeOf(pve, volid)
  const storage = storageOf(pve, volume.storage)
  const own = volumeName(storage, vmid, diskName(pve, volume.storage, vmid), volume.format)
  const base = volume.parent === undefined ? '' : `${ownName(storage, volume.parent)}/`
  const renamed = rename(pve, volid, `${volume.storage}:${base}${own}`)
  volume.vmid = vmid
  return renamed
}
