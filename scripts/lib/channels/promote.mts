import { checkpoint } from '../run/checkpoint.mts'
import { connect } from '../site/connect.mts'
import { addCandidate, promote, revoke, rollback } from '../templates/channels.mts'
import { lockfilePath, readLockfile, updateLockfile } from '../templates/lockfile.mts'
import type { Families, TemplateVersion } from '../templates/version.mts'
import { mirror } from './mirror.mts'

/** Changes the lockfile, then updates tags and Terraform's variables. */
async function change(purpose: string, decide: (families: Families) => Families): Promise<Families> {
  const path = lockfilePath()
  // Reports an impossible change before the login.
  decide(await readLockfile(path))
  const connection = await connect()
  const families = await updateLockfile(path, purpose, decide)
  await mirror(connection)
  return families
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
export function promoteFamily(os: string, untested: boolean): Promise<Families> {
  return change(`promote ${os}`, families => promote(families, os, { untested }))
}

/** Makes the previous version of a family current. */
export function rollbackFamily(os: string): Promise<Families> {
  return change(`roll back ${os}`, families => rollback(families, os))
}

/** Marks a version as known to be bad. */
export function revokeVersion(name: string, reason: string): Promise<Families> {
  const revoked = { reason, at: new Date().toISOString() }
  return change(`revoke ${name}`, families => revoke(families, name, revoked))
}
