/** Passwords of users: checks and changes, as the type of their realm does it. */

import { failure, parameterError, permissionDenied } from '../core/errors.mts'
import type { Caller } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { requireRealm } from './realms.mts'
import { hashPassword, passwordMatches } from './secrets.mts'

/**
 * Stores a password. Users of pam are those of the node's system: the lab has root, and those that it got passwords for
 * when it was made.
 * @throws {ApiError} 500 for a realm that keeps no passwords.
 */
export function storePassword(pve: Pve, userid: string, password: string): void {
  const { passwords } = pve.store.state
  const { type } = requireRealm(pve, userid)
  const name = userid.replace(/@[^@]*$/, '')
  if (type === 'pam' && !passwords[userid])
    throw failure(`change password failed: user '${name}' does not exist`)
  if (type !== 'pam' && type !== 'pve') throw failure(`can't set password on auth type '${type}'`)
  passwords[userid] = hashPassword(password)
}

/** Checks a user's own password. @throws {ApiError} 500 with the text of the realm's type. */
export function requirePassword(pve: Pve, userid: string, password: string): void {
  const { type } = requireRealm(pve, userid)
  const stored = pve.store.state.passwords[userid]
  if (type === 'openid') throw failure('OpenID realm does not allow password verification.')
  if (type !== 'pam' && !stored) throw failure('no password set')
  if (!passwordMatches(password, stored))
    throw failure(type === 'pam' ? 'Authentication failure' : 'invalid credentials')
}

/**
 * Checks that the caller may change another user's or its own login: everybody but root@pam confirms it by a password.
 * @param parameter name of the password's parameter, for the error.
 */
export function requireConfirmed(
  pve: Pve,
  caller: Caller,
  userid: string,
  { parameter, password }: { parameter: string; password: string | undefined },
): void {
  if (!pve.store.state.access.users[userid]) throw failure(`no such user ('${userid}')`)
  if (caller.authid === 'root@pam') return
  if (userid === 'root@pam') throw permissionDenied()
  if (password === undefined) throw parameterError({ [parameter]: 'password is required to modify user' })
  requirePassword(pve, caller.authid, password)
}
