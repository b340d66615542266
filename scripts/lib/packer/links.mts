/** Symbolic links in template folders: many repositories link the files that families share. */
import { lstat, readlink, realpath, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'

/** Kind of a folder entry, after its links. `broken`: a link without a target. `other`: a socket, a pipe or a device. */
type Kind = 'file' | 'folder' | 'broken' | 'other'

/**
 * Finds out what an entry is. A link counts as what it points to; the lock of an editor (`.#NAME`), which is a link
 * that points to no file, is `other`.
 */
export async function kindOf(path: string): Promise<Kind> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return basename(path).startsWith('.#') ? 'other' : 'broken'
  if (found.isDirectory()) return 'folder'
  return found.isFile() ? 'file' : 'other'
}

/** Returns the error (invalid) for a link whose target cannot be reached; any other error unchanged. */
export async function brokenLink(path: string, cause: unknown): Promise<unknown> {
  const link = await lstat(path).catch(() => undefined)
  if (link?.isSymbolicLink() !== true) return cause
  const reasons: Record<string, string> = {
    ENOENT: 'which is not there',
    ELOOP: 'which leads back to itself',
  }
  const reason = reasons[codeOf(cause) ?? ''] ?? `which cannot be read (${codeOf(cause)})`
  return new ProxmintError(`${path} is a link to ${await readlink(path)}, ${reason}`, {
    hint: 'correct the link or remove it',
    cause,
    exitCode: exitCodes.invalid,
  })
}

/** Real path of a file or folder. @throws ProxmintError (invalid) For a link whose target cannot be reached. */
export async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(async cause => {
    throw await brokenLink(path, cause)
  })
}

/** True if `folder` is `inner`, or a folder above it. Both are real paths. */
function contains(folder: string, inner: string): boolean {
  const path = relative(folder, inner)
  return path !== '..' && !path.startsWith(`..${sep}`)
}

/**
 * Follows a folder on the way down.
 * @param chain Real paths of the folders above it.
 * @returns The chain with the folder, or undefined for a link that leads back to a folder above.
 */
export async function enter(chain: readonly string[], ...path: string[]): Promise<string[] | undefined> {
  const real = await realpath(join(...path))
  return chain.some(above => contains(real, above)) ? undefined : [...chain, real]
}
