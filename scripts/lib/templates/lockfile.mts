import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CONFIG_FILE } from '../config/load.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { codeOf } from '../run/errors.mts'
import { withLock } from '../run/lock.mts'
import { formatLockfile, parseLockfile } from './lockfile-format.mts'
import type { Families } from './version.mts'

/** Longer than a run that was killed keeps its lock. */
const waitForLockMs = 20_000
const lockfileName = 'templates.lock.json'

/** Where the lockfile is: beside the config. */
export function lockfilePath(env: NodeJS.ProcessEnv = process.env): string {
  return join(dirname(env['PROXMINT_CONFIG'] ?? CONFIG_FILE), lockfileName)
}

/** Every version there is; none where there is no lockfile yet. @throws ProxmintError (invalid). */
export async function readLockfile(path: string): Promise<Families> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return {}
    throw error
  }
  return parseLockfile(text, path)
}

/**
 * Changes the lockfile while nobody else can; what is there is read first, so nothing of another run is lost.
 * @param change may throw, and then nothing is written.
 * @returns what is there now.
 * @throws ProxmintError (locked) when another run holds it for longer than `waitMs`, by default 20 s.
 */
export async function updateLockfile(
  path: string,
  purpose: string,
  change: (families: Families) => Families,
  waitMs = waitForLockMs,
): Promise<Families> {
  return withLock({ path, purpose, waitMs }, async () => {
    const before = await readLockfile(path)
    const after = change(before)
    if (formatLockfile(after) !== formatLockfile(before)) await writeFileAtomic(path, formatLockfile(after))
    return after
  })
}
