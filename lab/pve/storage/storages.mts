/** Storages and the ids of what lies on them. */

import { isAvailableOn, storageOn } from '../core/cluster.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, Volume } from '../core/state.mts'

export interface VolumeId {
  storage: string
  /** `vm-100-disk-0`, `base-100-disk-0/vm-101-disk-0`, `iso/debian.iso`. */
  name: string
}

/** Undefined when the text is no volume id, such as a path of the host. */
export function parseVolumeId(volid: string): VolumeId | undefined {
  const [, storage, name] = /^([a-z][a-z0-9\-_.]*[a-z0-9]):(\S+)$/i.exec(volid) ?? []
  return storage === undefined ? undefined : { storage, name: name! }
}

/** The storage as the node `pve` works on sees it, with its folder there. */
export function storageOf(pve: Pve, id: string): StorageConfig {
  const { state } = pve.store
  const storage = state.storages[id]
  if (!storage) throw failure(`storage '${id}' does not exist`)
  if (!isAvailableOn(storage, pve.node))
    throw failure(`storage '${id}' is not available on node '${pve.node}'`)
  return storageOn(state, storage, pve.node)
}

/** Whether it keeps volumes as files in folders; the others are pools of block devices. */
export function isFileBased({ type }: StorageConfig): boolean {
  return type === 'dir' || type === 'nfs'
}

function isHere(pve: Pve, { node }: Volume): boolean {
  return node === undefined || node === pve.node
}

/** Undefined also where it lies on another node's own storage. */
export function findVolume(pve: Pve, volid: string): Volume | undefined {
  const volume = pve.store.state.volumes[volid]
  return volume && isHere(pve, volume) ? volume : undefined
}

/** The volumes of one storage that this node has, by id. */
export function volumesOn(pve: Pve, storageId: string): [volid: string, volume: Volume][] {
  return Object.entries(pve.store.state.volumes).filter(
    ([, volume]) => volume.storage === storageId && isHere(pve, volume),
  )
}
