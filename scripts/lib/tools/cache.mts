import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { writeFailed, writeFileAtomic } from '../run/atomic-file.mts'
import { withLock } from '../run/lock.mts'
import type { InstallMethod, ToolName } from './pins.mts'

/** Finished installation in the cache. */
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
  /** Installs into `folder`, which becomes the entry if this succeeds. */
  fill(folder: string, signal: AbortSignal): Promise<void>
}

const MARKER = 'complete.json'
/** Longer than the slowest build: a second set-up waits for the first one instead of building too. */
const WAIT_FOR_OTHER_MS = 30 * 60_000

/** Folder of installed tools, shared by all clones of the repository: `$XDG_CACHE_HOME/proxmint/tools`. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'proxmint', 'tools')
}

function entryFolder(tool: ToolName, version: string): string {
  return join(cacheFolder(), tool, version)
}

/** Reads an entry; undefined if it is missing or unfinished, or if a file is missing or has another size. */
export async function readEntry(tool: ToolName, version: string): Promise<CacheEntry | undefined> {
  const folder = entryFolder(tool, version)
  try {
    const recorded = JSON.parse(await readFile(join(folder, MARKER), 'utf8')) as Omit<CacheEntry, 'folder'>
    const sizes = await fileSizes(folder, Object.keys(recorded.files))
    const intact = Object.entries(recorded.files).every(([path, bytes]) => sizes[path] === bytes)
    return intact ? { ...recorded, folder } : undefined
  } catch {
    return undefined
  }
}

/** Removes an entry that does not work, so that it is installed again. */
export async function discardEntry(tool: ToolName, version: string): Promise<void> {
  await rm(entryFolder(tool, version), { recursive: true, force: true })
}

/**
 * Fills a temporary folder and renames it into place, while holding a lock. A killed set-up leaves no entry that looks
 * finished. If two set-ups run at once, the second uses the first one's installation.
 */
export async function installEntry(entry: NewEntry, signal: AbortSignal): Promise<CacheEntry> {
  const { tool, version } = entry
  const lock = {
    path: entryFolder(tool, version),
    purpose: `install ${tool} ${version}`,
    waitMs: WAIT_FOR_OTHER_MS,
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
    await writeFileAtomic(join(partial, MARKER), `${JSON.stringify({ version, origin, files }, null, 2)}\n`)
    await rm(folder, { recursive: true, force: true })
    await rename(partial, folder)
    return { folder, version, origin, files }
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/** Also removes folders that killed set-ups left: the holder of the lock is the only one that works here. */
async function newPartialFolder(folder: string): Promise<string> {
  const parent = dirname(folder)
  const prefix = `.${basename(folder)}.partial-`
  try {
    await mkdir(parent, { recursive: true, mode: 0o700 })
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
