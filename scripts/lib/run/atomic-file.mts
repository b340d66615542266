import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, ProxmintError } from './errors.mts'

/**
 * Replaces a file atomically: a reader sees the old or the new content, also after a crash. Steps: temporary file in
 * the same folder, fsync, rename, fsync of the folder. A link at `path` is replaced; what it points to stays.
 * @param mode Mode of the file, whatever the umask. A folder that is made for a private file is private as well.
 * @throws ProxmintError If the disk is full or the folder is not writable.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o644,
): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`)
  try {
    await mkdir(folder, { recursive: true, mode: (mode & 0o077) === 0 ? 0o700 : 0o755 })
    await writeSynced(temporary, content, mode)
    await rename(temporary, path)
    await syncFolder(folder)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw writeFailed(path, cause)
  }
}

/** `wx` follows no link. */
async function writeSynced(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await using file = await open(path, 'wx', mode)
  await file.chmod(mode)
  await file.writeFile(content)
  await file.sync()
}

/** Writes the entries of a folder to the disk: a renamed file keeps its new name after a crash. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

/** Error for a failed write. Its hint says what to do about a known system error. */
export function writeFailed(path: string, cause: unknown): ProxmintError {
  const reasons: Record<string, [string, string]> = {
    ENOSPC: ['no space left on the device', `free some space on the file system of ${dirname(path)}`],
    EDQUOT: ['disk quota exceeded', `free some space on the file system of ${dirname(path)}`],
    EACCES: ['permission denied', `make ${dirname(path)} writable for this user`],
    EROFS: ['the file system is read-only', 'choose another folder or mount it writable'],
  }
  const known = reasons[codeOf(cause) ?? '']
  return new ProxmintError(`cannot write ${path}: ${known?.[0] ?? String(cause)}`, {
    hint: known?.[1],
    cause,
  })
}
