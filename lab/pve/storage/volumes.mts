/** VM volumes: names as Proxmox gives them, and the guest driver behind each change. */

import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { requireRoom, requireRoomToGrow } from './space.mts'
import { findVolume, isFileBased, storageOf } from './storages.mts'

export interface NewVolume {
  volid: string
  volume: Volume
}

function baseNameOf(volid: string): string {
  return volid.split(/[:/]/).at(-1) ?? volid
}

/** Disks are numbered per VM and storage; a template's `base-` names count too. */
function freeIndex(pve: Pve, storageId: string, vmid: number): number {
  const prefix = new RegExp(`^(?:vm|base)-${vmid}-disk-(\\d+)`)
  const used = Object.entries(pve.store.state.volumes)
    .filter(([, volume]) => volume.storage === storageId)
    .map(([volid]) => prefix.exec(baseNameOf(volid))?.[1])
  let index = 0
  while (used.includes(String(index))) index += 1
  return index
}

/** A dir storage keeps disks in a folder per VM and shows the format; a pool does neither. */
function volumeName(storage: StorageConfig, vmid: number, name: string, format: Volume['format']): string {
  return isFileBased(storage) ? `${vmid}/${name}.${format}` : name
}

function volumePath(storage: StorageConfig, name: string): string {
  return isFileBased(storage) ? join(storage.path, 'images', name) : join(storage.path, name)
}

/** A pool of block devices holds raw disks only. */
function formatOn(storage: StorageConfig, wanted: string | undefined): Volume['format'] {
  const format = wanted ?? (isFileBased(storage) ? 'qcow2' : 'raw')
  if (format === 'raw' || (format === 'qcow2' && isFileBased(storage))) return format
  throw failure(`unsupported format '${format}'`)
}

/** What a volume is called by itself, without the base it may have been cloned from. */
function ownName(storage: StorageConfig, volid: string): string {
  return volid
    .split(/[:/]/)
    .slice(isFileBased(storage) ? -2 : -1)
    .join('/')
}

interface Placement {
  storage: string
  vmid: number
  name: string
  /** The base of a linked clone. */
  parent?: string | undefined
  format?: string | undefined
}

function reserve(pve: Pve, { storage: storageId, vmid, name, parent, format: wanted }: Placement): NewVolume {
  const storage = storageOf(pve, storageId)
  if (!storage.content.includes('images')) throw failure(`storage '${storageId}' does not support vm images`)
  const format = formatOn(storage, wanted)
  const own = volumeName(storage, vmid, name, format)
  const volid = `${storageId}:${parent === undefined ? own : `${ownName(storage, parent)}/${own}`}`
  const path = volumePath(storage, own)
  const ctime = Math.floor(Date.now() / 1000)
  const node = storage.shared ? undefined : pve.node
  const volume = { storage: storageId, node, vmid, format, size: 0, written: 0, path, parent, ctime }
  // Taken before the driver works, so that two workers never choose one name.
  pve.store.state.volumes[volid] = { ...volume }
  return { volid, volume: pve.store.state.volumes[volid] }
}

type Filling = Pick<Volume, 'size' | 'written'> & {
  /** The path a copy was made from. */
  source?: string
}

/** @param fill makes the volume and tells how large it has become. */
async function fillVolume(
  pve: Pve,
  created: NewVolume,
  fill: (path: string) => Promise<Filling>,
): Promise<NewVolume> {
  try {
    await mkdir(dirname(created.volume.path), { recursive: true })
    const { size, written, source } = await fill(created.volume.path)
    Object.assign(created.volume, { size, written })
    await requireRoom(pve, created.volid, created.volume, source)
    return created
  } catch (error) {
    delete pve.store.state.volumes[created.volid]
    await pve.driver.deleteDisk(created.volume.path).catch(() => {})
    throw error
  }
}

function diskName(pve: Pve, storageId: string, vmid: number): string {
  return `vm-${vmid}-disk-${freeIndex(pve, storageId, vmid)}`
}

/** An empty disk of `size` bytes. */
export function createVolume(pve: Pve, storageId: string, vmid: number, size: number): Promise<NewVolume> {
  const created = reserve(pve, { storage: storageId, vmid, name: diskName(pve, storageId, vmid) })
  return fillVolume(pve, created, async path => {
    await pve.driver.createDisk(path, size)
    return { size, written: 0 }
  })
}

/** Bytes a cloud-init drive takes, on any storage. */
const CLOUD_INIT_SIZE = 4 * 1024 ** 2

/** The cloud-init drive's volume. What is on it is generated anew at each start. */
export async function createCloudInitVolume(pve: Pve, storageId: string, vmid: number): Promise<NewVolume> {
  const created = reserve(pve, { storage: storageId, vmid, name: `vm-${vmid}-cloudinit` })
  return fillVolume(pve, created, async path => {
    await pve.driver.createDisk(path, CLOUD_INIT_SIZE)
    return { size: CLOUD_INIT_SIZE, written: CLOUD_INIT_SIZE }
  })
}

/** A disk with the contents of an image file. */
export function importVolume(pve: Pve, storageId: string, vmid: number, image: string): Promise<NewVolume> {
  const created = reserve(pve, { storage: storageId, vmid, name: diskName(pve, storageId, vmid) })
  return fillVolume(pve, created, async path => {
    const size = await pve.driver.importDisk(image, path)
    return { size, written: Math.min(size, (await stat(image)).size), source: image }
  })
}

export function volumeOf(pve: Pve, volid: string): Volume {
  const volume = findVolume(pve, volid)
  if (!volume) throw failure(`volume '${volid}' does not exist`)
  return volume
}

/** In bytes, with what a linked clone reads from its base. */
function writtenIn(pve: Pve, volid: string): number {
  const { written, parent } = volumeOf(pve, volid)
  return written + (parent === undefined ? 0 : writtenIn(pve, parent))
}

/** A snapshot in a thin pool shares blocks, but needs nothing of what it was made from. */
function isIndependent({ type }: StorageConfig): boolean {
  return type === 'lvmthin'
}

/** A copy for another VM, or for the same one on another storage. A linked copy stays on its base's storage. */
export function cloneVolume(
  pve: Pve,
  source: string,
  target: { storage: string; vmid: number; format?: string | undefined },
  mode: 'full' | 'linked',
): Promise<NewVolume> {
  const { path: from, size } = volumeOf(pve, source)
  const written = mode === 'full' ? writtenIn(pve, source) : 0
  const needsBase = mode === 'linked' && !isIndependent(storageOf(pve, target.storage))
  const name = diskName(pve, target.storage, target.vmid)
  const created = reserve(pve, { ...target, name, parent: needsBase ? source : undefined })
  return fillVolume(pve, created, async path => {
    await pve.driver.cloneDisk(from, path, needsBase ? 'linked' : 'full')
    return { size, written, source: from }
  })
}

/** Grows a disk to `size` bytes where its storage has room for it. */
export async function growVolume(pve: Pve, volid: string, size: number): Promise<void> {
  const volume = volumeOf(pve, volid)
  const before = volume.size
  volume.size = size
  try {
    await requireRoomToGrow(pve, volume, volid)
    await pve.driver.resizeDisk(volume.path, size)
  } catch (error) {
    volume.size = before
    throw error
  }
}

function isBase(volid: string): boolean {
  return /[:/]base-\d+-disk-\d+[^/]*$/.test(volid)
}

/** A full copy for the same VM on another node's storage. */
export function copyOf(here: Pve, there: Pve, volid: string, storage: string): Promise<NewVolume> {
  const { path: from, size, vmid } = volumeOf(here, volid)
  const free = diskName(there, storage, vmid)
  const name = /vm-\d+-cloudinit/.exec(volid)?.[0] ?? (isBase(volid) ? free.replace('vm', 'base') : free)
  return fillVolume(there, reserve(there, { storage, vmid, name }), async path => {
    await here.driver.cloneDisk(from, path, 'full')
    return { size, written: writtenIn(here, volid), source: from }
  })
}

export function isBaseInUse(pve: Pve, volid: string): boolean {
  return Object.values(pve.store.state.volumes).some(volume => volume.parent === volid)
}

/** Removes a volume for good. A base that linked clones need stays. */
export async function freeVolume(pve: Pve, volid: string): Promise<void> {
  const volume = volumeOf(pve, volid)
  if (isBaseInUse(pve, volid)) throw failure(`base volume '${volid}' is still in use by linked cloned`)
  await pve.driver.deleteDisk(volume.path)
  delete pve.store.state.volumes[volid]
}

/** What a template's disks are called. The volume's path stays, only its name tells that it is a base now. */
export function renameToBase(pve: Pve, volid: string): string {
  const volume = volumeOf(pve, volid)
  const renamed = volid.replace(/(^|[:/])vm-(\d+-disk-\d+)/, '$1base-$2')
  delete pve.store.state.volumes[volid]
  pve.store.state.volumes[renamed] = volume
  return renamed
}
