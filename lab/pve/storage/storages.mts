/** Storages and the ids of what lies on them. */

import { failure } from '../errors.mts'
import type { Pve } from '../pve.mts'
import type { StorageConfig } from '../state.mts'

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

export function storageOf(pve: Pve, id: string): StorageConfig {
  const storage = pve.store.state.storages[id]
  if (!storage) throw failure(`storage '${id}' does not exist`)
  return storage
}
