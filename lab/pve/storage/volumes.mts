/** Volumes of VMs: Proxmox's names for them, and what becomes of one that is there. */

import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { volumeName } from './names.mts'
import { requireNoLink } from './no-links.mts'
import { requireRoom, requireRoomToGrow } from './space.mts'
import { findVolume, storageOf } from './storages.mts'
import { type Aspect, type Feature, isFileBased, roundedSize, traitsOf } from './types.mts'

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
export function reserveVolume(pve: Pve, placement: Placement): NewVolume {
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

/** Fills a reserved volume and checks the space. If that fails, removes the volume. */
export async function fillVolume(
  pve: Pve,
  created: NewVolume,
  fill: (path: string) => Promise<Filling>,
): Promise<NewVolume> {
  try {
    await requireNoLink(pve, created.volume.path)
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

export function diskName(pve: Pve, storageId: string, vmid: number): string {
  return `vm-${vmid}-disk-${freeIndex(pve, storageId, vmid)}`
}

export function volumeOf(pve: Pve, volid: string): Volume {
  const volume = findVolume(pve, volid)
  if (!volume) throw failure(`volume '${volid}' does not exist`)
  return volume
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
