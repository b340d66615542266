/** Deletes what a storage holds: a disk, or a file with the notes beside it (`vdisk_free` in PVE/Storage.pm). */

import { rm } from 'node:fs/promises'
import { isAccessible } from '../../core/files.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { TaskContext } from '../core/task.mts'
import { findFile } from './files.mts'
import { removeMarks } from './marks.mts'
import { shownPathOf } from './paths.mts'
import { findVolume, parsedVolume, storageOf, type VolumeId } from './storages.mts'
import { isFileBased } from './types.mts'
import { freeVolume } from './volumes.mts'

/** A file that is gone already is only warned of. So is a thin volume or one of ZFS; LVM refuses. */
function noteMissing(pve: Pve, id: VolumeId, task: TaskContext): void {
  const { type } = storageOf(pve, id.storage)
  const path = shownPathOf(pve, id)
  if (type === 'lvm') {
    const name = path.replace(/^\/dev\//, '')
    throw failure(`lvremove '${name}' error:   Failed to find logical volume "${name}"`)
  }
  if (isFileBased({ type })) task.log(`disk image '${path}' does not exist`)
}

async function removeFile(pve: Pve, id: VolumeId, volid: string, task: TaskContext): Promise<void> {
  const file = await findFile(pve, volid)
  if (!file) return noteMissing(pve, id, task)
  if (await isAccessible(`${file.path}.protected`))
    throw failure(`cannot remove protected volume '${id.name}' on '${id.storage}'`)
  await rm(file.path)
  if (file.content === 'backup') await removeMarks(file.path)
}

/** Work of the task `imgdel`. @throws {ApiError} for a base that linked clones need, and a protected backup. */
export async function removeContent(pve: Pve, id: VolumeId, task: TaskContext): Promise<void> {
  storageOf(pve, id.storage)
  const volid = `${id.storage}:${id.name}`
  if (parsedVolume(pve, id).type !== 'images') await removeFile(pve, id, volid, task)
  else if (findVolume(pve, volid)) await freeVolume(pve, volid)
  else noteMissing(pve, id, task)
  task.log(`Removed volume '${volid}'`)
}
