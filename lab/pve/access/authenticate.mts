/** Who is calling: by API token, by ticket in a header, or by ticket in the cookie. */

import type { IncomingHttpHeaders } from 'node:http'
import { Unauthorized } from '../errors.mts'
import type { State } from '../state.mts'
import { passwordMatches, sameSecret } from './secrets.mts'
import { verifyCsrfToken, verifyTicket } from './ticket.mts'
import { ownerOf } from './user-cfg.mts'

const isExpired = (expire: number) => expire !== 0 && expire * 1000 < Date.now()

/** Enabled and not expired. */
function isUsable(state: State, userid: string): boolean {
  const user = state.access.users[userid]
  return user?.enable === true && !isExpired(user.expire)
}

/** `user@realm!tokenid=secret`, or `user@realm!tokenid:secret` as older clients write it. */
function byToken(state: State, value: string): string {
  const [, id, secret] = /^([^=:]+![^=:]+)[=:](.+)$/.exec(value) ?? []
  const token = id === undefined ? undefined : state.access.tokens[id]
  const good = token && !isExpired(token.expire) && isUsable(state, ownerOf(id!))
  if (!good || !sameSecret(secret!, state.tokenSecrets[id!])) throw new Unauthorized('Authentication failed!')
  return id!
}

function cookieTicket(header: string | undefined): string | undefined {
  const pairs = (header ?? '').split(';').map(pair => pair.trim())
  const found = pairs.find(pair => pair.startsWith('PVEAuthCookie='))
  return found?.slice('PVEAuthCookie='.length)
}

/** Browsers encode the ticket, most other clients do not. A broken one is no ticket at all. */
function decode(ticket: string): string {
  try {
    return decodeURIComponent(ticket)
  } catch {
    return ''
  }
}

function byTicket(state: State, ticket: string, method: string, headers: IncomingHttpHeaders): string {
  const userid = verifyTicket(state.signingKey, decode(ticket))
  if (userid === undefined || !isUsable(state, userid))
    throw new Unauthorized('permission denied - invalid PVE ticket')
  const csrf = String(headers['csrfpreventiontoken'] ?? '')
  if (method !== 'GET' && !verifyCsrfToken(state.signingKey, userid, csrf))
    throw new Unauthorized('Permission denied - invalid csrf token')
  return userid
}

/** The calling user or API token. Throws Unauthorized with the reason phrase of the 401. */
export function authenticate(state: State, method: string, headers: IncomingHttpHeaders): string {
  const authorization = headers.authorization ?? ''
  const [, scheme, value] = /^(PVEAPIToken|PVEAuthCookie)=(.*)$/.exec(authorization) ?? []
  if (scheme === 'PVEAPIToken') return byToken(state, value!)
  const ticket = value ?? cookieTicket(headers.cookie)
  if (!ticket) throw new Unauthorized('No ticket')
  return byTicket(state, ticket, method, headers)
}

/** True for the right password, or for a ticket of the same user: that is how tickets are renewed. */
export function passwordOrTicketMatches(state: State, userid: string, password: string): boolean {
  if (!isUsable(state, userid)) return false
  const renews = password.startsWith('PVE:') && verifyTicket(state.signingKey, password) === userid
  return renews || passwordMatches(password, state.passwords[userid])
}
