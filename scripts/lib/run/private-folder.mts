/** Folders of proxmint's own files, readable by their owner alone, whatever the umask. */

import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { writeFailed } from './atomic-file.mts'
import { codeOf, ProxmintError } from './errors.mts'

const OWNER_ALONE = 0o700
const OTHERS_WRITE = 0o002

/**
 * Makes a folder and those below it, for their owner alone. If the folder itself is there it may be a link, such as a
 * `.proxmint` on another disk. Below it no link is followed: a write through one would change somebody's own files.
 * @param names Folders below `root`, one inside the other.
 * @returns The path of the last.
 * @throws ProxmintError If a folder cannot be made, or if one below `root` is a link or a file.
 */
export function privateFolder(root: string, ...names: string[]): string {
  let folder = root
  try {
    mkdirSync(root, { recursive: true, mode: OWNER_ALONE })
    withoutOthers(root)
    for (const name of names) {
      folder = join(folder, name)
      makeOne(folder)
    }
    return folder
  } catch (cause) {
    throw cause instanceof ProxmintError ? cause : writeFailed(folder, cause)
  }
}

/** Takes the right to write from all other users: an earlier run may have had a umask of 000. */
function withoutOthers(folder: string): void {
  const { mode, uid } = statSync(folder)
  if ((mode & OTHERS_WRITE) !== 0 && uid === process.getuid?.())
    chmodSync(folder, mode & 0o7777 & ~OTHERS_WRITE)
}

function makeOne(folder: string): void {
  try {
    mkdirSync(folder, { mode: OWNER_ALONE })
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause
    if (!lstatSync(folder).isDirectory()) throw notAFolder(folder)
    withoutOthers(folder)
  }
}

function notAFolder(folder: string): ProxmintError {
  const what = lstatSync(folder).isSymbolicLink() ? 'a link' : 'a file'
  return new ProxmintError(`${folder} is ${what}: proxmint writes nothing there`, {
    hint: `move it away: \`mv ${folder} ${folder}.old\`; only the state folder as a whole may be a link to another disk`,
  })
}
