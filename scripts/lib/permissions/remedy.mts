import { byPath, type PermissionReport } from './compare.mts'
import { type AclEntry, decidingRoles, deniesPools, entriesOn } from './deciding-roles.mts'
import { grantScript, OWN_ROLE, plain, quoted, roleLine } from './grant-script.mts'
import type { Holders, Standing } from './holders.mts'
import type { Grant } from './needs.mts'

/** Names of Proxmox's own roles, which cannot be changed. */
const BUILT_IN_ROLE = /^(Administrator|NoAccess|PVE\w+)$/

/**
 * Plans commands for root on a node that grant the missing privileges of all reports of one identity. Nobody loses a
 * privilege by them, and a second run changes nothing. If the ACL may be read and a role that can be changed decides
 * on each path, they append to that role. If it may be read and nothing is denied, they give a role of our own beside
 * the roles that decide. Otherwise they are a script, which reads the ACL on the node.
 */
export function pveumLines(reports: PermissionReport[], holders: Holders): string[] {
  const missing = reports.flatMap(report => report.missing.flatMap(({ add }) => add))
  if (missing.length === 0) return []
  return (
    appendLines(missing, holders) ?? [
      ...separationLines(holders),
      roleLine(privilegesOf(reports)),
      ...(entryLines(missing, holders) ?? scriptLines(missing, holders)),
    ]
  )
}

/** Plans one line per role. Undefined if a path has no role to append to, or not all is known. */
function appendLines(missing: Grant[], { standing, ...holders }: Holders): string[] | undefined {
  if (standing === undefined) return undefined
  const additions = missing.map(({ path, privilege }) => ({
    path: changeableRole(path, holders, standing) ?? '',
    privilege,
  }))
  if (additions.some(({ path: role }) => role === '')) return undefined
  return [...byPath(additions)].map(
    ([role, privileges]) => `pveum role modify ${role} -append 1 -privs '${privileges.join(',')}'`,
  )
}

/**
 * Finds a role to append to, which decides on the path for everybody who lacks the privilege: the user, the token with
 * privilege separation, or both.
 */
function changeableRole(
  path: string,
  { user, token, userLacks }: Omit<Holders, 'standing'>,
  { acl, groups, privsep }: Standing,
): string | undefined {
  if (deniesPools(user, groups, acl) || (token !== undefined && deniesPools(token, [], acl))) return undefined
  const ofUser = decidingRoles(path, user, groups, acl)
  const ofToken = token === undefined || !privsep ? ofUser : decidingRoles(path, token, [], acl)
  const roles = privsep && userLacks === false ? ofToken : ofToken.filter(role => ofUser.includes(role))
  const isDenied = [...ofUser, ...ofToken].includes('NoAccess')
  return isDenied ? undefined : roles.find(role => !BUILT_IN_ROLE.test(role))
}

/** Plans one ACL entry per path. Undefined if not all is known, or entries deny something or do not propagate. */
function entryLines(missing: Grant[], { user, token, userLacks, standing }: Holders): string[] | undefined {
  if (standing === undefined || (standing.privsep && userLacks !== false)) return undefined
  const isToken = token !== undefined && standing.privsep
  const holder = isToken ? token : user
  const groups = isToken ? [] : standing.groups
  const paths = [...new Set(missing.map(({ path }) => entryPath(path, holder, groups, standing.acl)))].sort()
  const kept = paths.map(path => keptRoles(path, holder, groups, standing.acl))
  if (kept.includes(undefined) || deniesPools(holder, groups, standing.acl)) return undefined
  return paths.map((path, index) => {
    const roles = [...kept[index]!, OWN_ROLE].join(',')
    return `pveum acl modify ${plain(path)} -${isToken ? 'token' : 'user'} ${quoted(holder)} -role ${roles}`
  })
}

/** Chooses /vms instead of the path of one VM without entries, since the next base VM has another VMID. */
function entryPath(path: string, holder: string, groups: string[], acl: AclEntry[]): string {
  const hasOwn = entriesOn(path, path, holder, groups, acl).length > 0
  return path.startsWith('/vms/') && !hasOwn ? '/vms' : path
}

/** Lists the roles that an entry on the path would replace. Undefined if one of them does not simply propagate. */
function keptRoles(path: string, holder: string, groups: string[], acl: AclEntry[]): string[] | undefined {
  const here = entriesOn(path, path, holder, groups, acl)
  const roles = [...new Set(decidingRoles(path, holder, groups, acl))]
  if (here.some(({ propagate }) => propagate === 0) || roles.includes('NoAccess')) return undefined
  return here.some(({ type }) => type !== 'group') ? [] : roles.filter(role => role !== OWN_ROLE)
}

function scriptLines(missing: Grant[], { user, token, hasNothing, userLacks, standing }: Holders): string[] {
  const tokenCounts = token !== undefined && !hasNothing && standing?.privsep !== false
  return grantScript({
    holders: [...(userLacks === false ? [] : [user]), ...(tokenCounts ? [token] : [])],
    grants: byPath(missing.flatMap(withAllVms)),
  })
}

/** Lists all privileges that the work of the reports uses. */
function privilegesOf(reports: PermissionReport[]): string[] {
  const grants = reports.flatMap(({ granted, missing, optional }) => [
    ...granted.flatMap(({ by }) => by),
    ...[...missing, ...optional].flatMap(({ add }) => add),
  ])
  return [...new Set(grants.map(({ privilege }) => privilege))].sort()
}

/** Puts /vms before the path of one VM: the next base VM has another VMID. The script asks about both. */
function withAllVms(grant: Grant): Grant[] {
  return grant.path.startsWith('/vms/') ? [{ ...grant, path: '/vms' }, grant] : [grant]
}

function separationLines({ token, hasNothing }: Holders): string[] {
  if (!hasNothing || token === undefined) return []
  const [user, tokenId] = token.split('!')
  return [
    '# The token has no privilege anywhere. Either it has privilege separation: the next line ends that, and is enough',
    '# if its user has the role. Or its user has no role: the lines after it give it one.',
    `pveum user token modify ${quoted(user!)} ${quoted(tokenId!)} -privsep 0`,
  ]
}
