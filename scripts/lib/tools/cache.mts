import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { writeFailed, writeFileAtomic } from '../run/atomic-file.mts'
import { withLock } from '../run/lock.mts'
import type { InstallMethod, ToolName } from './pins.mts'

/** A finished installation in the cache. */
export interface CacheEntry {
  folder: string
  version: string
  origin: InstallMethod
  /** Path below `folder` -> size in bytes. */
  files: Record<string, number>
}

export interface NewEntry {
  tool: ToolName
  version: string
  origin: InstallMethod
  /** Installs into the folder; it becomes the entry only when this succeeds. */
  fill(folder: string, signal: AbortSignal): Promise<void>
}

const marker = 'complete.json'
/** Longer than the slowest build: a second set-up waits for the first instead of building again. */
const waitForOtherMs = 30 * 60_000

/** Where installed tools live, outside every work tree: `$XDG_CACHE_HOME/proxmint/tools`. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'proxmint', 'tools')
}

const entryFolder = (tool: ToolName, version: string): string => join(cacheFolder(), tool, version)

/** The entry, or nothing where it is missing, unfinished or has lost or changed the size of a file. */
export async function readEntry(tool: ToolName, version: string): Promise<CacheEntry | undefined> {
  const folder = entryFolder(tool, version)
  try {
    const recorded = JSON.parse(await readFile(join(folder, marker), 'utf8')) as Omit<CacheEntry, 'folder'>
    const sizes = await fileSizes(folder, Object.keys(recorded.files))
    const intact = Object.entries(recorded.files).every(([path, bytes]) => sizes[path] === bytes)
    return intact ? { ...recorded, folder } : undefined
  } catch {
    return undefined
  }
}

/** Removes an entry that turned out not to work, so that it is installed anew. */
export async function discardEntry(tool: ToolName, version: string): Promise<void> {
  await rm(entryFolder(tool, version), { recursive: true, force: true })
}

/**
 * Fills a temporary folder and renames it into place, under a lock: a set-up that was killed leaves nothing
 * that looks finished, and of two at once the second uses what the first installed.
 */
export async function installEntry(entry: NewEntry, signal: AbortSignal): Promise<CacheEntry> {
  const { tool, version } = entry
  const lock = {
    path: entryFolder(tool, version),
    purpose: `install ${tool} ${version}`,
    waitMs: waitForOtherMs,
  }
  return await withLock(lock, async lockLost => {
    const finished = await readEntry(tool, version)
    return finished ?? (await fillEntry(entry, AbortSignal.any([signal, lockLost])))
  })
}

async function fillEntry(entry: NewEntry, signal: AbortSignal): Promise<CacheEntry> {
  const folder = entryFolder(entry.tool, entry.version)
  const partial = await newPartialFolder(folder)
  try {
    await entry.fill(partial, signal)
    const { version, origin } = entry
    const files = await fileSizes(partial, await filesBelow(partial))
    await writeFileAtomic(join(partial, marker), `${JSON.stringify({ version, origin, files }, null, 2)}\n`)
    await rm(folder, { recursive: true, force: true })
    await rename(partial, folder)
    return { folder, version, origin, files }
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/** Also removes what killed set-ups left: whoever holds the lock is the only one at work here. */
async function newPartialFolder(folder: string): Promise<string> {
  const parent = dirname(folder)
  const prefix = `.${basename(folder)}.partial-`
  try {
    await mkdir(parent, { recursive: true })
    for (const name of await readdir(parent)) {
      if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true })
    }
    return await mkdtemp(join(parent, prefix))
  } catch (cause) {
    throw writeFailed(parent, cause)
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

async function fileSizes(folder: string, paths: string[]): Promise<Record<string, number>> {
  const sizes = paths.map(async (path): Promise<[string, number]> => {
    return [path, (await stat(join(folder, path))).size]
  })
  return Object.fromEntries(await Promise.all(sizes))
}
