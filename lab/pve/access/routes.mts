/** /access: login, permissions and passwords. */

import { aclPaths, permissionsOn } from '../core/acl.mts'
import { ApiError, permissionDenied } from '../core/errors.mts'
import { flag, integer, optional, text, userId } from '../core/parameters.mts'
import { and, anyone, type Caller, or, requireAll, world } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { isTokenId, ownerOf } from '../core/user-cfg.mts'
import { newPassword, privilegeList, realmId } from './formats.mts'
import { logIn } from './login.mts'
import { requireConfirmed, storePassword } from './passwords.mts'

type Privileges = Record<string, number>

/** Returns the privileges on a path, 1 if they propagate. */
function privilegesOn(caller: Caller, authid: string, path: string): Privileges {
  const grants = permissionsOn(caller.access, caller.version, authid, path)
  return Object.fromEntries([...grants].map(([name, propagates]) => [name, propagates ? 1 : 0]))
}

const TOP_LEVELS = ['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms']

/** Lists the top levels, the paths of ACLs with all above them, and members of pools. */
function knownPaths({ access }: Caller): string[] {
  const members = Object.values(access.pools).flatMap(pool => [
    ...pool.vms.map(id => `/vms/${id}`),
    ...pool.storages.map(id => `/storage/${id}`),
  ])
  return [...new Set([...TOP_LEVELS, ...aclPaths(access), ...members])]
}

/** Returns the privileges on all paths where there are some. */
function effectivePermissions(caller: Caller, authid: string): Record<string, Privileges> {
  const all = knownPaths(caller).map(path => [path, privilegesOn(caller, authid, path)] as const)
  return Object.fromEntries(all.filter(([, privileges]) => Object.keys(privileges).length > 0))
}

/** Allows own permissions, those of own tokens, and all others with Sys.Audit on /access. */
function requireMayDump(caller: Caller, authid: string): void {
  const isOwn = authid === caller.authid || (isTokenId(authid) && ownerOf(authid) === caller.authid)
  if (!isOwn) requireAll(caller, '/access', 'Sys.Audit')
}

const login: Route[] = [
  route({ method: 'GET', path: '/access/ticket', permission: world, parameters: {}, handle: () => null }),
  route({
    method: 'POST',
    path: '/access/ticket',
    allowToken: false,
    permission: world,
    parameters: {
      username: { ...text, maxLength: 64 },
      password: text,
      realm: optional(realmId),
      otp: optional(text),
      path: optional({ ...text, maxLength: 64, requires: 'privs' }),
      privs: optional({ ...privilegeList, maxLength: 64, requires: 'path' }),
      'new-format': optional(flag),
      'tfa-challenge': optional(text),
    },
    handle: ({ pve, params }) => logIn(pve, params),
  }),
  route({
    method: 'POST',
    path: '/access/vncticket',
    permission: world,
    parameters: {
      authid: { ...text, maxLength: 64 },
      vncticket: text,
      path: { ...text, maxLength: 64 },
      privs: { ...privilegeList, maxLength: 64 },
      port: optional(integer),
    },
    // Only a console gives such tickets, and the lab has none.
    handle() {
      throw new ApiError(401, 'authentication failure')
    },
  }),
]

const permissions = route({
  method: 'GET',
  path: '/access/permissions',
  permission: anyone,
  parameters: {
    path: optional(text),
    userid: optional({
      type: 'string',
      pattern: /^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+(?:![A-Za-z][A-Za-z0-9.\-_]+)?$/,
    }),
  },
  handle({ caller, params }) {
    const { userid: authid = caller.authid, path } = params
    requireMayDump(caller, authid)
    // Nobody checks that the user exists: an unknown one has no privileges.
    return path ? { [path]: privilegesOn(caller, authid, path) } : effectivePermissions(caller, authid)
  },
})

const password = route({
  method: 'PUT',
  path: '/access/password',
  allowToken: false,
  permission: or(
    { kind: 'self' },
    and({ kind: 'realm-of-user' }, { kind: 'group-of-user', privileges: ['User.Modify'] }),
  ),
  parameters: {
    userid: userId,
    password: newPassword,
    'confirmation-password': optional({ type: 'string', minLength: 5, maxLength: 64 }),
  },
  handle({ pve, caller, params }) {
    const parameter = 'confirmation-password'
    requireConfirmed(pve, caller, params.userid, { parameter, password: params[parameter] })
    const isOwn = caller.authid === params.userid
    if (caller.authid !== 'root@pam' && !isOwn && params.userid.endsWith('@pam')) throw permissionDenied()
    storePassword(pve, params.userid, params.password)
  },
})

const SUBDIRS = ['users', 'groups', 'roles', 'acl', 'domains', 'openid', 'tfa', 'ticket', 'password']

const indexes: Route[] = Object.entries({ '/access': SUBDIRS, '/access/openid': ['auth-url', 'login'] }).map(
  ([path, subdirs]) =>
    route({
      method: 'GET',
      path,
      permission: anyone,
      parameters: {},
      handle: () => subdirs.map(subdir => ({ subdir })),
    }),
)

export const accessRoutes: Route[] = [...indexes, ...login, permissions, password]
