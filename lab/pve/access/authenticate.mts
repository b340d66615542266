/** Who is calling: by ticket in the cookie, by ticket in a header, or by API token. */

import type { IncomingHttpHeaders } from 'node:http'
import { Unauthorized } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import { ownerOf } from '../core/user-cfg.mts'
import { passwordMatches, sameSecret } from './secrets.mts'
import { verifyCsrfToken, verifyTicket } from './ticket.mts'

/** What logins depend on. */
type Door = Pick<Pve, 'store' | 'faults' | 'now'>

/** What a request says about its sender. */
export interface Credentials {
  method: string
  headers: IncomingHttpHeaders
  /** An upload of a file comes from a plain HTML form, which cannot send a CSRF token. */
  isUpload: boolean
}

/** The node's clock in seconds since the epoch, as tickets and expiry dates count. */
export function secondsNow({ now }: Pick<Pve, 'now'>): number {
  return Math.floor(now() / 1000)
}

function isExpired(expire: number, door: Door): boolean {
  return expire !== 0 && expire < secondsNow(door)
}

/** Enabled and not expired. */
function isUsable(door: Door, userid: string): boolean {
  const user = door.store.state.access.users[userid]
  return user?.enable === true && !isExpired(user.expire, door)
}

/** `user@realm!tokenid=secret`, or `user@realm!tokenid:secret` as older clients write it. */
function byToken(door: Door, value: string): string {
  const { access, tokenSecrets } = door.store.state
  const [, id, secret] = /^([^=:]+![^=:]+)[=:](.+)$/.exec(value) ?? []
  const token = id === undefined ? undefined : access.tokens[id]
  const good = token && !isExpired(token.expire, door) && isUsable(door, ownerOf(id!))
  if (!good || !sameSecret(secret!, tokenSecrets[id!])) throw new Unauthorized('Authentication failed!')
  return id!
}

/** Browsers encode what they send, most other clients do not. What is broken is nothing at all. */
function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return ''
  }
}

/** `KEY=VALUE` or `KEY VALUE` anywhere in a header, up to the next semicolon. */
function valueIn(header: string | undefined, key: 'PVEAuthCookie' | 'PVEAPIToken'): string | undefined {
  const value = new RegExp(`(?:^|\\s)${key}[= ]([^;]*)`).exec(header ?? '')?.[1]
  return value === undefined ? undefined : decode(value)
}

/** The user of a ticket that holds; undefined for one that does not, or is to be taken for expired. */
function ticketUser(door: Door, ticket: string): string | undefined {
  return door.faults.due('expired-ticket')
    ? undefined
    : verifyTicket(door.store.state.signingKey, ticket, secondsNow(door))
}

function byTicket(door: Door, ticket: string, { method, headers, isUpload }: Credentials): string {
  const userid = ticketUser(door, ticket)
  if (userid === undefined || !isUsable(door, userid))
    throw new Unauthorized('permission denied - invalid PVE ticket')
  if (method === 'GET' || isUpload) return userid
  const csrf = String(headers['csrfpreventiontoken'] ?? '')
  if (!verifyCsrfToken(door.store.state.signingKey, userid, csrf, secondsNow(door)))
    throw new Unauthorized('Permission denied - invalid csrf token')
  return userid
}

/** The calling user or API token. Throws Unauthorized with the reason phrase of the 401. */
export function authenticate(door: Door, credentials: Credentials): string {
  const { cookie, authorization } = credentials.headers
  const ticket = valueIn(cookie, 'PVEAuthCookie') || valueIn(authorization, 'PVEAuthCookie')
  if (ticket) return byTicket(door, ticket, credentials)
  const token = valueIn(authorization, 'PVEAPIToken')
  if (!token) throw new Unauthorized('No ticket')
  return byToken(door, token)
}

/**
 * True for the right password, and for a ticket of the same user: that is how tickets are renewed. With one of
 * root@pam anybody's ticket can be had.
 */
export function passwordOrTicketMatches(door: Door, userid: string, password: string): boolean {
  if (!isUsable(door, userid)) return false
  const holder = password.startsWith('PVE:') ? ticketUser(door, password) : undefined
  const renews = holder !== undefined && (holder === userid || holder === 'root@pam')
  return renews || passwordMatches(password, door.store.state.passwords[userid])
}
