/** Computes roles and privileges on a path by Proxmox's rules of inheritance (PVE/AccessControl.pm). */

import { builtInRoles, type MajorVersion, privilegesOf } from './privileges.mts'
import { type AccessConfig, type AclEntry, isTokenId, ownerOf } from './user-cfg.mts'

/** Names of roles or privileges. The value is true if the grant also holds below the path. */
export type Grants = Map<string, boolean>

const NO_ACCESS = 'NoAccess'

/**
 * Splits `/vms/100` into `/`, `/vms`, `/vms/100`. The deepest level with an entry wins. A path without a slash in front
 * does not begin at the root: so Proxmox answers a question about `vms`.
 */
function levels(path: string): string[] {
  if (path === '/') return ['/']
  const steps = path.replace(/\/+$/, '').split('/')
  if (steps.join('') === '') return []
  return steps.map(
    (_, index) =>
      `/${steps
        .slice(0, index + 1)
        .filter(Boolean)
        .join('/')}`,
  )
}

/** Lists the paths of all entries and all paths above them. */
export function aclPaths({ acl }: AccessConfig): string[] {
  return [...new Set(acl.flatMap(entry => levels(entry.path)))]
}

/** Reads the roles of one level. Own entries of a user or token win over entries of groups. */
function grantsAt(config: AccessConfig, authid: string, level: string, isFinal: boolean): Grants | undefined {
  const here = config.acl.filter(entry => entry.path === level && (isFinal || entry.propagate))
  const inGroup = (entry: AclEntry): boolean => config.groups[entry.subject]?.users.includes(authid) ?? false
  const own = here.filter(entry => entry.kind !== 'group' && entry.subject === authid)
  const hits = own.length > 0 ? own : here.filter(entry => entry.kind === 'group' && inGroup(entry))
  if (hits.length === 0) return undefined
  return new Map(hits.map(entry => [entry.role, entry.propagate]))
}

/** Returns the roles on a path without those from pools. A token without privilege separation has its owner's. */
export function rolesOn(config: AccessConfig, authid: string, path: string): Grants {
  const token = config.tokens[authid]
  if (isTokenId(authid) && !token) return new Map()
  if (token && !token.privsep) return rolesOn(config, ownerOf(authid), path)
  const steps = levels(path)
  let roles: Grants = new Map()
  for (const [index, level] of steps.entries())
    roles = grantsAt(config, authid, level, index === steps.length - 1) ?? roles
  return roles.has(NO_ACCESS) ? new Map([[NO_ACCESS, roles.get(NO_ACCESS)!]]) : roles
}

function isMember({ vms, storages }: AccessConfig['pools'][string], path: string): boolean {
  return vms.some(vmid => path === `/vms/${vmid}`) || storages.some(id => path === `/storage/${id}`)
}

/** Returns the roles that a VM or storage gets from its pools. They never propagate. */
function poolRoles(config: AccessConfig, authid: string, path: string): Set<string> {
  const pools = Object.keys(config.pools).filter(id => isMember(config.pools[id]!, path))
  return new Set(pools.flatMap(id => [...rolesOn(config, authid, `/pool/${id}`).keys()]))
}

function effectiveRoles(config: AccessConfig, authid: string, path: string): Grants {
  const roles = rolesOn(config, authid, path)
  const fromPools = poolRoles(config, authid, path)
  if (roles.has(NO_ACCESS) || fromPools.has(NO_ACCESS)) return new Map()
  for (const role of fromPools) if (!roles.has(role)) roles.set(role, false)
  return roles
}

function privilegesFrom(roles: Grants, privilegesOfRole: (role: string) => string[]): Grants {
  const grants: Grants = new Map()
  for (const [role, propagate] of roles)
    for (const privilege of privilegesOfRole(role))
      grants.set(privilege, grants.get(privilege) === true || propagate)
  return grants
}

function intersect(a: Grants, b: Grants): Grants {
  return new Map(
    [...a].filter(([name]) => b.has(name)).map(([name, propagate]) => [name, propagate && b.get(name)!]),
  )
}

/**
 * Returns the privileges of a user (`joe@pve`) or API token (`joe@pve!ci`) on a path. `root@pam` has all privileges.
 * A token with privilege separation has those that both it and its owner have.
 */
export function permissionsOn(
  config: AccessConfig,
  version: MajorVersion,
  authid: string,
  path: string,
): Grants {
  if (authid === 'root@pam') return new Map([...privilegesOf(version)].map(name => [name, true]))
  const token = config.tokens[authid]
  if (isTokenId(authid) && !token) return new Map()
  if (token && !token.privsep) return permissionsOn(config, version, ownerOf(authid), path)
  const builtIn = builtInRoles(version)
  const own = privilegesFrom(
    effectiveRoles(config, authid, path),
    role => builtIn[role] ?? config.roles[role] ?? [],
  )
  return token ? intersect(own, permissionsOn(config, version, ownerOf(authid), path)) : own
}
