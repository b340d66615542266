import { byPath } from './compare.mts'
import type { AclEntry, Holders } from './holders.mts'
import type { Grant, Need } from './needs.mts'

/** Proxmox's own roles cannot be changed. */
const builtInRole = /^(Administrator|NoAccess|PVE\w+)$/

/** The role the printed lines make where no role of the identity's own is known. */
const ownRole = 'ProxmintBuild'

/**
 * The `pveum` lines that close the gap, to be run as root on a node. Where the identity's role is known,
 * privileges are appended to it. Otherwise one role with all the work needs is given on the paths concerned:
 * an ACL entry on a path replaces what is inherited from above, so a role with the missing privileges alone
 * would take the others away.
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

/** The role that decides on `path` for whoever lacks the privilege, where it is one that can be changed. */
function changeableRole(path: string, { acl, user, token, userLacks }: Holders): string | undefined {
  const who = userLacks === false ? token : user
  const role = decidingEntry(
    path,
    acl.filter(entry => entry.ugid === who),
  )?.roleid
  if (role === undefined || builtInRole.test(role)) return undefined
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
    `pveum role add ${ownRole} -privs '${privileges.join(',')}'`,
    ...paths.flatMap(path =>
      granteesOf(holders).map(who => `pveum acl modify ${path} ${who} -role ${ownRole}`),
    ),
  ]
}

/** New VMs are under /vms, whatever their number. */
function aclPath(path: string): string {
  return path.startsWith('/vms/') ? '/vms' : path
}

/** Both, unless it is known that the user has everything. A token without privilege separation needs no entry, and one does no harm. */
function granteesOf({ user, token, userLacks }: Holders): string[] {
  const forUser = userLacks === false ? [] : [`-user '${user}'`]
  return token === undefined ? forUser : [...forUser, `-token '${token}'`]
}
