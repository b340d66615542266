/**
 * Files below a folder, and nothing outside of it. A path is walked one directory at a time by open descriptors,
 * and no symbolic link is followed, so there is nothing to gain from swapping a directory for a link meanwhile.
 */

import { constants } from 'node:fs'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { relative, resolve } from 'node:path'

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

export type NodeError = NodeJS.ErrnoException

function refusal(code: 'ENOENT' | 'EINVAL', path: string): NodeError {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

/** The names that lead from `root` to `path`; none for the root itself. Throws ENOENT for what is not below. */
function namesBelow(root: string, path: string): string[] {
  if (path.includes('\0')) throw refusal('EINVAL', path)
  const way = relative(root, resolve(root, path))
  if (way === '..' || way.startsWith('../')) throw refusal('ENOENT', path)
  return way === '' ? [] : way.split('/')
}

/**
 * Calls `act` with a path that leads to the entry without passing any link. The entry itself can be a link: `act`
 * must not follow it. `path` is absolute, or relative to `root`.
 */
export async function atBeneath<T>(
  root: string,
  path: string,
  act: (entry: string) => Promise<T>,
): Promise<T> {
  const names = namesBelow(root, path)
  const last = names.pop() ?? '.'
  let folder = await open(root, DIRECTORY)
  try {
    for (const name of names) {
      const next = await open(entryOf(folder, name), DIRECTORY)
      await folder.close()
      folder = next
    }
    return await act(entryOf(folder, last))
  } finally {
    await folder.close()
  }
}

function entryOf(folder: FileHandle, name: string): string {
  return `/proc/self/fd/${folder.fd}/${name}`
}

/** The names in a folder, each with a path to it that passes no link. The folder itself must be none either. */
export async function listBeneath<T>(
  root: string,
  path: string,
  look: (name: string, entry: string) => Promise<T>,
): Promise<T[]> {
  const folder = await atBeneath(root, path, entry => open(entry, DIRECTORY))
  try {
    const names = await readdir(entryOf(folder, '.'))
    return await Promise.all(['.', ...names].map(name => look(name, entryOf(folder, name))))
  } finally {
    await folder.close()
  }
}

/** Opens a plain file; links, sockets and pipes are refused. */
export async function openBeneath(
  root: string,
  path: string,
  flags: number,
  mode = 0o644,
): Promise<FileHandle> {
  // A pipe must not keep the server waiting for its other end.
  const careful = flags | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await atBeneath(root, path, entry => open(entry, careful, mode))
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw refusal('EINVAL', path)
}
