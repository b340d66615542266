import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CONFIG_FILE } from '../config/load.mts'
import { changeFile } from '../run/change-file.mts'
import { ifThere } from '../run/if-there.mts'
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
  return parsed(await ifThere(readFile(path, 'utf8')), path)
}

async function parsed(text: string | undefined, path: string): Promise<Families> {
  return text === undefined ? {} : parseLockfile(text, path)
}

/**
 * Changes the lockfile. Changes of other runs stay, also if this run is stopped meanwhile: see `changeFile`.
 * @param change is called again if another run was faster. It may throw; nothing is written then.
 * @returns the versions after the change.
 * @throws ProxmintError (locked) if another run holds the lock for longer than `waitMs`, by default 20 s.
 */
export async function updateLockfile(
  path: string,
  purpose: string,
  change: (families: Families) => Families,
  waitMs = LOCK_WAIT_MS,
): Promise<Families> {
  return changeFile({ path, purpose, waitMs }, async found => {
    const before = await parsed(found, path)
    const after = change(before)
    const text = formatLockfile(after)
    return { text: text === formatLockfile(before) ? undefined : text, result: after }
  })
}
