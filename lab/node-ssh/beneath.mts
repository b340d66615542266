/**
 * Access to files below a folder and to nothing outside of it. Each step of a path opens one directory and follows no
 * symbolic link. So it does not help an attacker to replace a directory by a link meanwhile.
 */

import { constants } from 'node:fs'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { relative, resolve } from 'node:path'

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

export type NodeError = NodeJS.ErrnoException

function refusal(code: 'ENOENT' | 'EINVAL', path: string): NodeError {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

/** Splits `path` into the names below `root`; none for the root itself. @throws ENOENT for a path outside. */
function namesBelow(root: string, path: string): string[] {
  if (path.includes('\0')) throw refusal('EINVAL', path)
  const way = relative(root, resolve(root, path))
  if (way === '..' || way.startsWith('../')) throw refusal('ENOENT', path)
  return way === '' ? [] : way.split('/')
}

/**
 * Calls `act` with a path that passes no link. The entry itself can be a link: `act` must not follow it.
 * @param path absolute, or relative to `root`.
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

/** Calls `look` for `.` and each name in a folder, with a path that passes no link. The folder must not be a link. */
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

/** Opens a plain file. @throws for links, sockets and pipes. */
export async function openBeneath(
  root: string,
  path: string,
  flags: number,
  mode = 0o644,
): Promise<FileHandle> {
  // O_NONBLOCK: opening a pipe does not wait for its other end.
  const careful = flags | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await atBeneath(root, path, entry => open(entry, careful, mode))
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw refusal('EINVAL', path)
}
