/** Paths of the node's storages, such as /var/lib/vz, and the folders in which the lab keeps them. */

import { resolve } from 'node:path'

export interface Mount {
  /** Absolute path on the node. */
  at: string
  /** Absolute path of the lab. */
  folder: string
}

/** Returns the lab's path for a path that a client gives, absolute or below `root`. */
export function keptPath(root: string, mounts: readonly Mount[], path: string): string {
  const absolute = resolve(root, path)
  const found = mounts
    .filter(({ at }) => absolute === at || absolute.startsWith(`${at}/`))
    .toSorted((a, b) => b.at.length - a.at.length)[0]
  return found ? found.folder + absolute.slice(found.at.length) : absolute
}
