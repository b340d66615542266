/** Paths of volumes. */

import { asShown, deviceFolder, mountPoint } from '../core/node-paths.mts'
import type { Pve } from '../core/pve.mts'
import { pathOfFile } from './files.mts'
import { parsedVolume, storageOf, type VolumeId } from './storages.mts'
import { isFileBased } from './types.mts'

/** Returns the path of a volume as the node shows it. The volume need not exist. @throws {ApiError} */
export function shownPathOf(pve: Pve, id: VolumeId): string {
  const { type, vmid, name } = parsedVolume(pve, id)
  const storage = storageOf(pve, id.storage)
  if (type !== 'images')
    return asShown({ state: pve.store.state, node: pve.node }, pathOfFile(storage, type, name))
  if (!isFileBased(storage)) return `${deviceFolder(id.storage, storage)}/${name}`
  return `${mountPoint(id.storage, storage)}/images/${vmid}/${name}`
}
