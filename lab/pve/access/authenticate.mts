/** Authenticates callers by a ticket in the cookie, a ticket in a header, or an API token. */

import type { IncomingHttpHeaders } from 'node:http'
import { Unauthorized } from '../core/errors.mts'
import { decodePercent } from '../core/percent.mts'
import type { Pve } from '../core/pve.mts'
import { ownerOf } from '../core/user-cfg.mts'
import { sameSecret } from './secrets.mts'
import { verifyCsrfToken, verifyTicket } from './ticket.mts'

/** Parts of the server that logins depend on. */
type Door = Pick<Pve, 'store' | 'faults' | 'now'>

/** Facts of a request about its sender. */
interface Credentials {
  method: string
  headers: IncomingHttpHeaders
  /** True for an upload: it comes from a plain HTML form, which cannot send a CSRF token. */
  isUpload: boolean
}

/** Reads the node's clock in seconds since the epoch. */
export function secondsNow({ now }: Pick<Pve, 'now'>): number {
  return Math.floor(now() / 1000)
}

function isExpired(expire: number, door: Door): boolean {
  return expire !== 0 && expire < secondsNow(door)
}

/** Checks that a user is enabled and not expired. */
export function isUsable(door: Door, userid: string): boolean {
  const user = door.store.state.access.users[userid]
  return user?.enable === true && !isExpired(user.expire, door)
}

/** Accepts `user@realm!tokenid=secret`. */
function byToken(door: Door, value: string): string {
  const { access, tokenSecrets } = door.store.state
  const [, id, secret] = /^(.*)=(.*)$/.exec(value) ?? []
  const token = id === undefined ? undefined : access.tokens[id]
  const good = token && !isExpired(token.expire, door) && isUsable(door, ownerOf(id!))
  if (!good || !sameSecret(secret!, tokenSecrets[id!])) throw new Unauthorized('Authentication failed!')
  return id!
}

/** Finds `KEY=VALUE` or `KEY VALUE` anywhere in a header. The value ends at a semicolon. */
function valueIn(header: string | undefined, key: 'PVEAuthCookie' | 'PVEAPIToken'): string | undefined {
  const value = new RegExp(`(?:^|\\s)${key}[= ]([^;]*)`).exec(header ?? '')?.[1]
  return value === undefined ? undefined : decodePercent(value)
}

/** Returns the user of a valid ticket; undefined if it is invalid or a fault makes it expire. */
export function ticketUser(door: Door, ticket: string): string | undefined {
  return door.faults.due('expired-ticket')
    ? undefined
    : verifyTicket(door.store.state.signingKey, ticket, secondsNow(door))
}

function byTicket(door: Door, ticket: string, { method, headers, isUpload }: Credentials): string {
  const userid = ticketUser(door, ticket)
  if (userid === undefined || !isUsable(door, userid)) throw new Unauthorized('Authentication failed!')
  if (method === 'GET' || isUpload) return userid
  const csrf = String(headers['csrfpreventiontoken'] ?? '')
  if (!verifyCsrfToken(door.store.state.signingKey, userid, csrf, secondsNow(door)))
    throw new Unauthorized('Permission denied - invalid csrf token')
  return userid
}

/** Returns the calling user or API token. @throws {Unauthorized} with the reason phrase of the 401. */
export function authenticate(door: Door, credentials: Credentials): string {
  const { cookie, authorization } = credentials.headers
  const ticket = valueIn(cookie, 'PVEAuthCookie') || valueIn(authorization, 'PVEAuthCookie')
  if (ticket) return byTicket(door, ticket, credentials)
  const token = valueIn(authorization, 'PVEAPIToken')
  if (!token) throw new Unauthorized('No ticket')
  return byToken(door, token)
}
