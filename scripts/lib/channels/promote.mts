import { checkpoint } from '../run/checkpoint.mts'
import { say } from '../run/progress.mts'
import type { Connection } from '../site/connect.mts'
import { addCandidate, promote, revoke, rollback } from '../templates/channels.mts'
import { lockfilePath, readLockfile, updateLockfile } from '../templates/lockfile.mts'
import type { Families, TemplateVersion } from '../templates/version.mts'
import { mirrorLockfile } from './mirror.mts'

type Login = () => Promise<Connection>

/** Changes the lockfile, then updates tags and Terraform's variables. */
async function change(
  login: Login,
  purpose: string,
  decide: (families: Families) => Families,
): Promise<Families> {
  const path = lockfilePath()
  // Reports an impossible change before the login.
  decide(await readLockfile(path))
  const connection = await login()
  const families = await updateLockfile(path, purpose, decide)
  await mirror(connection)
  return families
}

let lastMirror: Promise<void> = Promise.resolve()

/**
 * Updates tags and Terraform's variables by the lockfile, and prints a warning per failure. Calls run one after the
 * other and each reads the lockfile again, so that two builds that end at once do not undo each other's changes.
 */
export function mirror(connection: Connection): Promise<void> {
  lastMirror = lastMirror.catch(() => undefined).then(() => mirrorNow(connection))
  return lastMirror
}

async function mirrorNow(connection: Connection): Promise<void> {
  const path = lockfilePath()
  const warnings = await mirrorLockfile(connection, path, await readLockfile(path))
  for (const warning of warnings) say(warning)
  checkpoint('mirrored')
}

/**
 * Records a finished version as candidate, or as current in the same write. From then on its VMs are not leftovers.
 */
export async function recordVersion(
  os: string,
  version: TemplateVersion,
  promoteAtOnce: boolean,
): Promise<Families> {
  const families = await updateLockfile(lockfilePath(), `record ${version.name}`, before => {
    const added = addCandidate(before, os, version)
    return promoteAtOnce ? promote(added, os, { untested: false }) : added
  })
  checkpoint('recorded')
  return families
}

/** Makes the candidate of a family current. */
export function promoteFamily(login: Login, os: string, untested: boolean): Promise<Families> {
  return change(login, `promote ${os}`, families => promote(families, os, { untested }))
}

/** Makes the previous version of a family current. */
export function rollbackFamily(login: Login, os: string): Promise<Families> {
  return change(login, `roll back ${os}`, families => rollback(families, os))
}

/** Marks a version as known to be bad. */
export function revokeVersion(login: Login, name: string, reason: string): Promise<Families> {
  const revoked = { reason, at: new Date().toISOString() }
  return change(login, `revoke ${name}`, families => revoke(families, name, revoked))
}
