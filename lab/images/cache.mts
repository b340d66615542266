/** A cache of images and of what they are made from, kept between labs. */

import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { lock } from 'proper-lockfile'
import { isAccessible } from '../core/files.mts'

/** Folder of the cache. It is safe to delete while no lab starts. */
function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'proxmint', 'lab')
}

/**
 * Returns the path of a folder in the cache. If it is missing, `build` fills it. Callers in all processes build it
 * once. A build that fails or is killed leaves nothing under that name.
 */
export async function cachedFolder(name: string, build: (work: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), name)
  if (await isAccessible(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const release = await lock(dirname(folder), {
    lockfilePath: `${folder}.lock`,
    retries: { retries: 600, minTimeout: 500, maxTimeout: 1000 },
  })
  try {
    if (!(await isAccessible(folder))) await buildFolder(folder, build)
  } finally {
    await release()
  }
  return folder
}

async function buildFolder(folder: string, build: (work: string) => Promise<void>): Promise<void> {
  const work = await mkdtemp(`${folder}.new-`)
  try {
    await build(work)
    await rename(work, folder)
  } catch (error) {
    await rm(work, { recursive: true, force: true })
    throw error
  }
}
