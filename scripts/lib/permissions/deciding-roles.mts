/** Roles that decide on a path, by Proxmox's rules of inheritance (`roles` in PVE/AccessControl.pm). */

/** Entry of Proxmox's ACL. */
export interface AclEntry {
  path: string
  type: 'user' | 'group' | 'token'
  /** Grantee: `user@realm`, name of a group, or `user@realm!tokenid`. */
  ugid: string
  roleid: string
  propagate?: 0 | 1
}

/**
 * Lists the roles that a user or token has on a path. Of all levels from `/` to the path the deepest one with an entry
 * decides alone; on one level, entries of the holder replace those of its groups.
 * @param groups groups of a user; empty for a token.
 */
export function decidingRoles(path: string, holder: string, groups: string[], acl: AclEntry[]): string[] {
  const deepest = levels(path).findLast(level => entriesOn(level, path, holder, groups, acl).length > 0)
  if (deepest === undefined) return []
  return entriesOn(deepest, path, holder, groups, acl).map(({ roleid }) => roleid)
}

/** Splits `/vms/100` into `/`, `/vms` and `/vms/100`. */
function levels(path: string): string[] {
  const parts = path.split('/').filter(Boolean)
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)]
}

/** Lists the entries of one level that count for the path: those of the holder, or else those of its groups. */
export function entriesOn(
  level: string,
  path: string,
  holder: string,
  groups: string[],
  acl: AclEntry[],
): AclEntry[] {
  const here = acl.filter(entry => entry.path === level && (level === path || entry.propagate !== 0))
  const own = here.filter(({ type, ugid }) => type !== 'group' && ugid === holder)
  return own.length > 0 ? own : here.filter(({ type, ugid }) => type === 'group' && groups.includes(ugid))
}

/** Whether a pool may deny the holder everything on its members, whatever entries on their own paths say. */
export function deniesPools(holder: string, groups: string[], acl: AclEntry[]): boolean {
  return acl.some(
    ({ path, roleid, ugid }) =>
      roleid === 'NoAccess' &&
      (path === '/' || path.startsWith('/pool')) &&
      (ugid === holder || groups.includes(ugid)),
  )
}
