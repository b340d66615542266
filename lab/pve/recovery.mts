/** What a server finds when the one before it did not end by itself, as a node does after a power failure. */

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { State, StorageConfig } from './core/state.mts'
import { fileFolder, isInPlace } from './storage/files.mts'
import { isFileBased } from './storage/storages.mts'

/** What Proxmox reads from the log of a worker that did not come to write its last line. */
export const UNEXPECTED_STATUS = 'unexpected status'

/**
 * Ends the tasks that ran. Their locks stay in the configs, and so do half-made VMs and volumes: clearing them up
 * is for who started them, as on Proxmox. `now` in seconds.
 */
export function endInterrupted({ tasks }: State, now: number) {
  for (const task of tasks.filter(each => each.exitstatus === undefined)) {
    task.exitstatus = UNEXPECTED_STATUS
    task.endtime = now
  }
}

/** Removes files that were still coming in; nobody was told of them. */
export async function removeHalfFiles(dataDir: string, storages: StorageConfig[]): Promise<void> {
  await rm(join(dataDir, 'uploads'), { recursive: true, force: true })
  for (const storage of storages.filter(isFileBased))
    await Promise.all(INCOMING.map(content => removeHalfIn(storage, fileFolder(storage, content))))
}

const INCOMING = ['iso', 'vztmpl', 'import'] as const

const isHalf = (name: string) => name.endsWith('.tmp_upload') || name.includes('.tmp_dwnl.')

async function removeHalfIn(storage: StorageConfig, folder: string) {
  if (!(await isInPlace(storage, folder))) return
  const names = await readdir(folder).catch(() => [])
  await Promise.all(names.filter(isHalf).map(name => rm(join(folder, name), { force: true })))
}
