/** Files that were still coming in when a server ended by force. */

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { StorageConfig } from '../core/state.mts'
import { fileFolder, isInPlace } from './files.mts'
import { isFileBased } from './storages.mts'

/** Removes files that were still coming in; nobody was told of them. */
export async function removeHalfFiles(dataDir: string, storages: StorageConfig[]): Promise<void> {
  await rm(join(dataDir, 'uploads'), { recursive: true, force: true })
  for (const storage of storages.filter(isFileBased))
    await Promise.all(INCOMING.map(content => removeHalfIn(storage, fileFolder(storage, content))))
}

const INCOMING = ['iso', 'vztmpl', 'import'] as const

function isHalf(name: string): boolean {
  return name.endsWith('.tmp_upload') || name.includes('.tmp_dwnl.')
}

async function removeHalfIn(storage: StorageConfig, folder: string): Promise<void> {
  if (!(await isInPlace(storage, folder))) return
  const names = await readdir(folder).catch(() => [])
  await Promise.all(names.filter(isHalf).map(name => rm(join(folder, name), { force: true })))
}
