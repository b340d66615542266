/** Storages and volume ids. */

import { isAvailableOn, storageOn } from '../core/cluster.mts'
import { failure, parameterError } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { type ParsedName, parseVolumeName } from './names.mts'

export interface VolumeId {
  storage: string
  /** `vm-100-disk-0`, `base-100-disk-0/vm-101-disk-0`, `iso/debian.iso`. */
  name: string
}

/** Splits a volume id. Returns undefined for other texts, such as a path of the host. */
export function parseVolumeId(volid: string): VolumeId | undefined {
  const [, storage, name] = /^([a-z][a-z0-9\-_.]*[a-z0-9]):(.+)$/i.exec(volid) ?? []
  return storage === undefined ? undefined : { storage, name: name! }
}

/** Reads a volume's name as its storage does. @throws {ApiError} for an unknown storage, and for a wrong name. */
export function parsedVolume(pve: Pve, { storage, name }: VolumeId): ParsedName {
  const config = pve.store.state.storages[storage]
  if (!config) throw failure(`storage '${storage}' does not exist`)
  return parseVolumeName(config, name)
}

/** Returns the storage with its folder on the node that `pve` works on. @throws {ApiError} */
export function storageOf(pve: Pve, id: string): StorageConfig {
  const { state } = pve.store
  const storage = state.storages[id]
  if (!storage) throw failure(`storage '${id}' does not exist`)
  if (storage.properties?.['disable'] === '1') throw failure(`storage '${id}' is disabled`)
  if (!isAvailableOn(storage, pve.node))
    throw failure(`storage '${id}' is not available on node '${pve.node}'`)
  return storageOn(state, storage, pve.node)
}

/** Checks the storage for disks. @throws {ApiError} 400 if it does not accept them. */
export function requireForImages(pve: Pve, id: string): void {
  if (!storageOf(pve, id).content.includes('images'))
    throw parameterError({ storage: `storage '${id}' does not support vm images` })
}

function isHere(pve: Pve, { node }: Volume): boolean {
  return node === undefined || node === pve.node
}

/** Finds a volume. Does not find one on another node's own storage. */
export function findVolume(pve: Pve, volid: string): Volume | undefined {
  const volume = pve.store.state.volumes[volid]
  return volume && isHere(pve, volume) ? volume : undefined
}

/** Lists the volumes of a storage on this node. */
export function volumesOn(pve: Pve, storageId: string): [volid: string, volume: Volume][] {
  return Object.entries(pve.store.state.volumes).filter(
    ([, volume]) => volume.storage === storageId && isHere(pve, volume),
  )
}
