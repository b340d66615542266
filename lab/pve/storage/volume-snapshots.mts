/** Snapshots of single volumes. */

import { byName } from '../core/by-name.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { storageOf } from './storages.mts'
import { isFileBased } from './types.mts'
import { volumeOf } from './volumes.mts'

/** Keeps a volume's present content under a name. @throws {ApiError} for a file of a format without snapshots. */
export async function snapshotVolume(pve: Pve, volid: string, name: string): Promise<void> {
  const volume = volumeOf(pve, volid)
  if (isFileBased(storageOf(pve, volume.storage)) && volume.format !== 'qcow2')
    throw failure("can't snapshot this image format")
  await pve.driver.snapshotDisk(volume.path, name)
  volume.snapshots = byName(volume.snapshots, { [name]: volume.size })
}

/** Refuses what the storage cannot go back to: ZFS keeps only what is older than the snapshot. @throws {ApiError} */
export function requireRollbackPossible(pve: Pve, volid: string, name: string): void {
  const { storage, snapshots = byName<number>() } = volumeOf(pve, volid)
  if (storageOf(pve, storage).type !== 'zfspool') return
  if (snapshots[name] === undefined)
    throw failure(`can't rollback, snapshot '${name}' does not exist on '${volid}'`)
  if (Object.keys(snapshots).at(-1) !== name)
    throw failure(`can't rollback, '${name}' is not most recent snapshot on '${volid}'`)
}

/** Gives a volume the content and size that it had. */
export async function rollbackVolume(pve: Pve, volid: string, name: string): Promise<void> {
  const volume = volumeOf(pve, volid)
  await pve.driver.rollbackDisk(volume.path, name)
  volume.size = volume.snapshots?.[name] ?? volume.size
}

export async function deleteVolumeSnapshot(pve: Pve, volid: string, name: string): Promise<void> {
  const volume = volumeOf(pve, volid)
  await pve.driver.deleteSnapshot(volume.path, name)
  const { [name]: _, ...left } = volume.snapshots ?? {}
  volume.snapshots = byName(left)
}
