/** Logins: passwords and tickets become tickets (PVE/API2/AccessControl.pm). */

import { aclPaths, permissionsOn } from '../core/acl.mts'
import { CLUSTER_NAME } from '../core/cluster.mts'
import { ApiError, failure } from '../core/errors.mts'
import { splitList } from '../core/parameters.mts'
import { type Caller, hasAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import { normalizePath } from '../core/user-cfg.mts'
import { isUsable, secondsNow, ticketUser } from './authenticate.mts'
import { requirePassword } from './passwords.mts'
import { realmsOf } from './realms.mts'
import { createCsrfToken, createTicket } from './ticket.mts'

/** Seconds before the answer to a failed login. */
const FAILED_LOGIN_DELAY = 3

interface Login {
  username: string
  password: string
  realm?: string
  otp?: string
  path?: string
  privs?: string
  'tfa-challenge'?: string
}

/** Finds the user whose realm takes `Joe` and `joe` for one. */
function lookUp(pve: Pve, { username, realm }: Login): string {
  const userid = realm ? `${username}@${realm}` : username
  const isExact = realmsOf(pve)[userid.split('@').at(-1)!]?.['case-sensitive'] !== 0
  const same = Object.keys(pve.store.state.access.users).filter(
    each => each.toLowerCase() === userid.toLowerCase(),
  )
  if (isExact || same.length === 0) return userid
  if (same.length > 1) throw failure('ambiguous')
  return same[0]!
}

/** A ticket of the same user is as good as the password: so clients renew tickets. */
function requireCredentials(pve: Pve, userid: string, login: Login, others: string[]): void {
  const { password, otp, 'tfa-challenge': challenge } = login
  if (challenge !== undefined) throw failure('no such challenge')
  const holder = password.startsWith('PVE:') ? ticketUser(pve, password) : undefined
  if (holder !== undefined && [userid, ...others].includes(holder)) return
  requirePassword(pve, userid, password)
  if (otp !== undefined) throw failure('no such challenge')
}

/** Checks a login for privileges on a path only. It gives no ticket. */
function requirePrivileges(caller: Caller, path: string, privs: string): void {
  const normal = normalizePath(path)
  const wanted = splitList(privs)
  if (normal === undefined || wanted.length === 0 || !hasAll(caller, normal, ...wanted))
    throw failure(`no permission (${path}, ${privs})`)
}

function answerTo(pve: Pve, login: Login): ApiObject {
  const username = lookUp(pve, login)
  if (!isUsable(pve, username)) throw failure(`user '${username}' is disabled`)
  const caller = { authid: username, access: pve.store.state.access, version: pve.version }
  const { path, privs } = login
  const isCheck = Boolean(path && privs)
  // root@pam can make tickets for others.
  requireCredentials(pve, username, login, isCheck ? [] : ['root@pam'])
  if (isCheck) requirePrivileges(caller, path!, privs!)
  const key = pve.store.state.signingKey
  return {
    username,
    ...(!isCheck && {
      ticket: createTicket(key, username, secondsNow(pve)),
      CSRFPreventionToken: createCsrfToken(key, username, secondsNow(pve)),
    }),
    cap: capabilities(caller),
    ...(pve.store.state.nodes.length > 1 &&
      hasAll(caller, '/', 'Sys.Audit') && { clustername: CLUSTER_NAME }),
  }
}

/** Answers a login. @throws {ApiError} 401 after three seconds, without the reason: nobody shall learn who exists. */
export async function logIn(pve: Pve, login: Login): Promise<ApiObject> {
  try {
    return answerTo(pve, login)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    await pve.pause(FAILED_LOGIN_DELAY)
    throw new ApiError(401, 'authentication failure')
  }
}

/** Privileges that the web interface wants to know of for each top level. */
const WANTED: Record<string, RegExp> = {
  vms: /^(VM\.|Permissions\.Modify)/,
  access: /^((User|Group)\.|Permissions\.Modify)/,
  storage: /^(Datastore\.|Permissions\.Modify)/,
  nodes: /^(Sys\.|Permissions\.Modify)/,
  sdn: /^(SDN\.|Permissions\.Modify)/,
  dc: /^(Sys\.Audit|Sys\.Modify|SDN\.)/,
  mapping: /^(Mapping\.|Permissions.Modify)/,
}

const LOOKED_AT = ['/', '/nodes', '/access/groups', '/vms', '/storage', '/sdn', '/mapping']

/** Lists the parts of the web interface that the privileges on a path count for. */
function partsOf(path: string): string[] {
  const top = /^\/(\w+)/.exec(path)?.[1] ?? 'dc'
  return top === 'pool' ? ['vms', 'storage'] : [top]
}

/** Returns the privileges by which the web interface chooses its buttons (`compute_api_permission`). */
function capabilities(caller: Caller): Record<string, Record<string, 1>> {
  const cap: Record<string, Record<string, 1>> = Object.fromEntries(
    Object.keys(WANTED).map(part => [part, {}]),
  )
  for (const path of [...LOOKED_AT, ...aclPaths(caller.access)])
    for (const privilege of permissionsOn(caller.access, caller.version, caller.authid, path).keys())
      for (const part of partsOf(path)) if (WANTED[part]?.test(privilege)) cap[part]![privilege] = 1
  return cap
}
