import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CONFIG_FILE } from '../config/load.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { ifThere } from '../run/if-there.mts'
import { withLock } from '../run/lock.mts'
import { formatLockfile, parseLockfile } from './lockfile-format.mts'
import type { Families } from './version.mts'

/** Longer than a lock takes to become stale after its run was killed. */
const LOCK_WAIT_MS = 20_000
const LOCKFILE_NAME = 'templates.lock.json'

/** Path of the lockfile, beside the config. */
export function lockfilePath(env: NodeJS.ProcessEnv = process.env): string {
  return join(dirname(env['PROXMINT_CONFIG'] ?? CONFIG_FILE), LOCKFILE_NAME)
}

/** Reads all versions; none if there is no lockfile yet. @throws ProxmintError (invalid) as `parseLockfile`. */
export async function readLockfile(path: string): Promise<Families> {
  const text = await ifThere(readFile(path, 'utf8'))
  return text === undefined ? {} : parseLockfile(text, path)
}

/**
 * Changes the lockfile under its lock. It is read under the lock too, so changes of other runs stay.
 * @param change may throw; nothing is written then.
 * @returns the versions after the change.
 * @throws ProxmintError (locked) if another run holds the lock for longer than `waitMs`, by default 20 s.
 */
export async function updateLockfile(
  path: string,
  purpose: string,
  change: (families: Families) => Families,
  waitMs = LOCK_WAIT_MS,
): Promise<Families> {
  return withLock({ path, purpose, waitMs }, async () => {
    const before = await readLockfile(path)
    const after = change(before)
    if (formatLockfile(after) !== formatLockfile(before)) await writeFileAtomic(path, formatLockfile(after))
    return after
  })
}
