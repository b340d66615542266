/** Notes and protection of backups: two files beside each (PVE/Storage/DirPlugin.pm). */

import { rm, writeFile } from 'node:fs/promises'
import { isAccessible, readPlainFile } from '../../core/files.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { pathOfFile, requireFolder } from './files.mts'
import { parsedVolume, storageOf, type VolumeId } from './storages.mts'
import { isFileBased } from './types.mts'

interface Marks {
  notes?: string | undefined
  protected?: boolean | undefined
}

/** Returns the absolute path of a backup; undefined for other volumes. */
function backupPath(pve: Pve, id: VolumeId): string | undefined {
  const { type, name } = parsedVolume(pve, id)
  return type === 'backup' ? pathOfFile(storageOf(pve, id.storage), type, name) : undefined
}

/** Reads the notes and the protection of a backup. Other volumes have none. */
export async function notesOf(pve: Pve, id: VolumeId): Promise<{ notes?: string; protected?: 0 | 1 }> {
  const path = backupPath(pve, id)
  if (path === undefined) return {}
  const notes = (await readPlainFile(`${path}.notes`)) ?? ''
  return { notes, protected: (await isAccessible(`${path}.protected`)) ? 1 : 0 }
}

/** Checks that a volume can have marks at all. @throws {ApiError} of the storage's plugin. */
function requireMarkable(pve: Pve, id: VolumeId, { notes, protected: isProtected }: Marks): string {
  const storage = storageOf(pve, id.storage)
  const path = backupPath(pve, id)
  if (path !== undefined && isFileBased(storage)) return path
  if (!isFileBased(storage) && notes !== undefined) throw failure('volume notes are not supported')
  if (!isFileBased(storage))
    throw failure(`attribute 'protected' is not supported for storage type '${storage.type}'`)
  if (notes !== undefined) throw failure('only backups can have notes')
  if (isProtected !== undefined) throw failure("only backups support attribute 'protected'")
  return ''
}

/** Writes a file, or removes it if its content is undefined. A link in its place goes. */
async function put(path: string, content: string | undefined): Promise<void> {
  await rm(path, { force: true })
  if (content !== undefined) await writeFile(path, content, { flag: 'wx' })
}

/** Sets the notes and the protection of a backup. @throws {ApiError} for other volumes. */
export async function mark(pve: Pve, id: VolumeId, marks: Marks): Promise<void> {
  if (marks.notes === undefined && marks.protected === undefined) return
  const path = requireMarkable(pve, id, marks)
  await requireFolder(pve, id.storage, 'backup')
  if (marks.notes !== undefined) await put(`${path}.notes`, marks.notes || undefined)
  if (marks.protected !== undefined) await put(`${path}.protected`, marks.protected ? '' : undefined)
}

/** Removes the files beside a backup. */
export async function removeMarks(path: string): Promise<void> {
  const log = path.replace(/\.(tgz|(tar|vma)(\.\w+)?)$/, '.log')
  await Promise.all([`${path}.notes`, log].map(each => rm(each, { force: true })))
}
