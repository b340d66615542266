/** Questions about files that several rooms ask. */

import { access, constants, readFile } from 'node:fs/promises'

/** Checks whether this process may use a path. @param mode bits of access(2). Default: the path exists. */
export function isAccessible(path: string, mode = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}

/** Handles a rejection: "no such file" becomes undefined, any other error is thrown again. */
export function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** Reads a file as UTF-8. @returns undefined if there is none, or if the path is a link. */
export function readPlainFile(path: string): Promise<string | undefined> {
  // Node.js takes a number as flag, but its types name texts only for this option.
  const flag = (constants.O_RDONLY | constants.O_NOFOLLOW) as unknown as string
  return readFile(path, { encoding: 'utf8', flag }).catch(() => undefined)
}
