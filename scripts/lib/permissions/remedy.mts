import { byPath } from './compare.mts'
import type { AclEntry, Holders } from './holders.mts'
import type { Grant, Need } from './needs.mts'

/** Names of Proxmox's own roles, which cannot be changed. */
const BUILT_IN_ROLE = /^(Administrator|NoAccess|PVE\w+)$/

/** Name of the new role, if no role of the identity is known. */
const OWN_ROLE = 'ProxmintBuild'

/**
 * Commands for root on a node that grant the missing privileges. They append to the identity's role if it is known.
 * Otherwise they create a role with all privileges that the work needs on these paths: an ACL entry on a path replaces
 * the inherited ones, so a role with only the missing privileges would take the others away.
 */
export function pveumLines(missing: Grant[], needs: Need[], holders: Holders): string[] {
  if (missing.length === 0) return []
  const roles = new Map<string, Set<string>>()
  const withoutRole: Grant[] = []
  for (const grant of missing) {
    const role = changeableRole(grant.path, holders)
    if (role === undefined) withoutRole.push(grant)
    else roles.set(role, (roles.get(role) ?? new Set()).add(grant.privilege))
  }
  const appended = [...roles].map(
    ([role, privileges]) =>
      `pveum role modify ${role} -append 1 -privs '${[...privileges].sort().join(',')}'`,
  )
  return [...appended, ...(withoutRole.length > 0 ? newRoleLines(withoutRole, needs, holders) : [])]
}

/** Role that decides on `path` for the user or token that lacks the privilege; undefined if it cannot be changed. */
function changeableRole(path: string, { acl, user, token, userLacks }: Holders): string | undefined {
  const who = userLacks === false ? token : user
  const role = decidingEntry(
    path,
    acl.filter(entry => entry.ugid === who),
  )?.roleid
  if (role === undefined || BUILT_IN_ROLE.test(role)) return undefined
  const tokenRole = decidingEntry(
    path,
    acl.filter(entry => entry.ugid === token),
  )?.roleid
  return userLacks !== false && token !== undefined && tokenRole !== undefined && tokenRole !== role
    ? undefined
    : role
}

function decidingEntry(path: string, entries: AclEntry[]): AclEntry | undefined {
  return entries
    .filter(entry => entry.path === path || (entry.propagate !== 0 && isAbove(entry.path, path)))
    .sort((a, b) => b.path.length - a.path.length)[0]
}

function isAbove(above: string, path: string): boolean {
  return above === '/' || path.startsWith(`${above}/`)
}

function newRoleLines(missing: Grant[], needs: Need[], holders: Holders): string[] {
  const paths = [...new Set([...byPath(missing).keys()].map(aclPath))]
  const all = needs.flatMap(need => need.alternatives[0]!).filter(({ path }) => paths.includes(aclPath(path)))
  const privileges = [...new Set(all.map(grant => grant.privilege))].sort()
  return [
    `pveum role add ${OWN_ROLE} -privs '${privileges.join(',')}'`,
    ...paths.flatMap(path =>
      granteesOf(holders).map(who => `pveum acl modify ${path} ${who} -role ${OWN_ROLE}`),
    ),
  ]
}

/** Path for the command: /vms for any VM, since a new VM gets another number. */
function aclPath(path: string): string {
  return path.startsWith('/vms/') ? '/vms' : path
}

/** User and token; only the token if the user has the privileges. An entry for a token without privsep does no harm. */
function granteesOf({ user, token, userLacks }: Holders): string[] {
  const forUser = userLacks === false ? [] : [`-user '${user}'`]
  return token === undefined ? forUser : [...forUser, `-token '${token}'`]
}
