/** Questions about files that several rooms ask. */

import { access, constants } from 'node:fs/promises'

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
