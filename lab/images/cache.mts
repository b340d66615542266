import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { lock } from 'proper-lockfile'

/** Where images and what they are made of are kept between labs; safe to delete while no lab is starting. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'proxmint', 'lab')
}

/**
 * A folder of the cache by name, made by `build` where it is missing. Concurrent callers, in other processes
 * too, build it once; a build that fails or is killed leaves nothing under that name.
 */
export async function cachedFolder(name: string, build: (work: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), name)
  if (await exists(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const release = await lock(dirname(folder), {
    lockfilePath: `${folder}.lock`,
    retries: { retries: 600, minTimeout: 500, maxTimeout: 1000 },
  })
  try {
    if (!(await exists(folder))) await buildFolder(folder, build)
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

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
