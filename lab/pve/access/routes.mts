/** /access: login, permissions, realms and passwords. */

import { permissionsOn } from '../core/acl.mts'
import { ApiError, failure, permissionDenied } from '../core/errors.mts'
import { flag, optional, text, userId } from '../core/parameters.mts'
import { and, anyone, type Caller, or, requireAll, world } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { ownerOf } from '../core/user-cfg.mts'
import { passwordOrTicketMatches, secondsNow } from './authenticate.mts'
import { hashPassword } from './secrets.mts'
import { createCsrfToken, createTicket } from './ticket.mts'

/** Seconds before the answer to a failed login. */
const FAILED_LOGIN_DELAY = 3

const REALMS = [
  { realm: 'pam', type: 'pam', comment: 'Linux PAM standard authentication' },
  { realm: 'pve', type: 'pve', comment: 'Proxmox VE authentication server' },
]

/** Returns the privileges on each path, 1 if they propagate. Omits paths without privileges. */
function effectivePermissions(
  caller: Caller,
  authid: string,
  paths: string[],
): Record<string, Record<string, number>> {
  const entries = paths.flatMap(path => {
    const grants = [...permissionsOn(caller.access, caller.version, authid, path)]
    return grants.length > 0 ? [[path, Object.fromEntries(grants.map(([p, on]) => [p, on ? 1 : 0]))]] : []
  })
  return Object.fromEntries(entries)
}

const TOP_LEVELS = ['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms']

/** Lists the top levels and the paths of ACLs and members of pools. */
function knownPaths({ access }: Caller): string[] {
  const members = Object.values(access.pools).flatMap(pool => [
    ...pool.vms.map(id => `/vms/${id}`),
    ...pool.storages.map(id => `/storage/${id}`),
  ])
  return [...new Set([...TOP_LEVELS, ...access.acl.map(entry => entry.path), ...members])]
}

/** Allows own permissions, those of own tokens, and all others with Sys.Audit on /access. */
function requireMayDump(caller: Caller, authid: string): void {
  const isOwn = authid === caller.authid || ownerOf(authid) === caller.authid
  if (!isOwn) requireAll(caller, '/access', 'Sys.Audit')
}

function loginAnswer(pve: Pve, userid: string): ApiObject {
  const key = pve.store.state.signingKey
  const caller = { authid: userid, access: pve.store.state.access, version: pve.version }
  const owned = Object.keys(effectivePermissions(caller, userid, TOP_LEVELS)).length > 0
  return {
    username: userid,
    ticket: createTicket(key, userid, secondsNow(pve)),
    CSRFPreventionToken: createCsrfToken(key, userid, secondsNow(pve)),
    clustername: pve.node,
    cap: owned ? capabilities(caller) : {},
  }
}

/** Returns the privileges by which the web interface chooses its buttons. */
function capabilities(caller: Caller): Record<string, Record<string, number>> {
  const tops = { vms: '/vms', storage: '/storage', access: '/access', nodes: '/nodes', dc: '/', sdn: '/sdn' }
  return Object.fromEntries(
    Object.entries(tops).map(([name, path]) => {
      const grants = permissionsOn(caller.access, caller.version, caller.authid, path)
      return [name, Object.fromEntries([...grants.keys()].map(privilege => [privilege, 1]))]
    }),
  )
}

export const accessRoutes: Route[] = [
  route({ method: 'GET', path: '/access/ticket', permission: world, parameters: {}, handle: () => null }),
  route({
    method: 'POST',
    path: '/access/ticket',
    allowToken: false,
    permission: world,
    parameters: {
      username: text,
      password: text,
      realm: optional(text),
      otp: optional(text),
      path: optional(text),
      privs: optional(text),
      'new-format': optional(flag),
      'tfa-challenge': optional(text),
    },
    async handle({ pve, params }) {
      const userid = params.realm === undefined ? params.username : `${params.username}@${params.realm}`
      if (passwordOrTicketMatches(pve, userid, params.password)) return loginAnswer(pve, userid)
      await pve.pause(FAILED_LOGIN_DELAY)
      throw new ApiError(401, 'authentication failure')
    },
  }),
  route({
    method: 'GET',
    path: '/access/permissions',
    permission: anyone,
    parameters: { path: optional(text), userid: optional(text) },
    handle({ caller, params }) {
      const authid = params.userid ?? caller.authid
      requireMayDump(caller, authid)
      const isKnown = caller.access.users[authid] ?? caller.access.tokens[authid]
      if (!isKnown) throw failure(`no such user ('${authid}')`)
      return effectivePermissions(
        caller,
        authid,
        params.path === undefined ? knownPaths(caller) : [params.path],
      )
    },
  }),
  route({ method: 'GET', path: '/access/domains', permission: world, parameters: {}, handle: () => REALMS }),
  route({
    method: 'PUT',
    path: '/access/password',
    allowToken: false,
    permission: or(
      { kind: 'self' },
      and({ kind: 'realm-of-user' }, { kind: 'group-of-user', privileges: ['User.Modify'] }),
    ),
    parameters: { userid: userId, password: text, 'confirmation-password': optional(text) },
    handle({ pve, caller, params }) {
      if (params.userid === 'root@pam' && caller.authid !== 'root@pam') throw permissionDenied()
      const { access, passwords } = pve.store.state
      if (!access.users[params.userid]) throw failure(`no such user ('${params.userid}')`)
      const confirmation = params['confirmation-password'] ?? ''
      if (caller.authid !== 'root@pam' && !passwordOrTicketMatches(pve, caller.authid, confirmation))
        throw new ApiError(401, 'authentication failure')
      passwords[params.userid] = hashPassword(params.password)
    },
  }),
]
