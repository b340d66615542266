/** Login tickets and CSRF tokens: signed text with the time of issue, good for two hours. */

import { createHmac } from 'node:crypto'
import { sameSecret } from './secrets.mts'

/** Seconds. */
const TICKET_LIFETIME = 2 * 60 * 60
/** Seconds a ticket may come from the future: the clocks of a cluster's nodes differ a little. */
const SKEW = 300

function hex(seconds: number): string {
  return seconds.toString(16).toUpperCase().padStart(8, '0')
}

function sign(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64')
}

function isCurrent(issuedHex: string, now: number): boolean {
  const age = now - Number.parseInt(issuedHex, 16)
  return age > -SKEW && age < TICKET_LIFETIME
}

/** `PVE:user@realm:ISSUED::SIGNATURE`. `issuedAt` in seconds since the epoch. */
export function createTicket(key: string, userid: string, issuedAt: number): string {
  const plain = `PVE:${userid}:${hex(issuedAt)}`
  return `${plain}::${sign(key, plain)}`
}

/** The user of a valid ticket; undefined when it is forged, too old, or from the future. `now` in seconds. */
export function verifyTicket(key: string, ticket: string, now: number): string | undefined {
  const match = /^(PVE:(\S+):([0-9A-F]{8}))::(\S+)$/.exec(ticket)
  if (!match) return undefined
  const [, plain, userid, issued, signature] = match
  return sameSecret(signature!, sign(key, plain!)) && isCurrent(issued!, now) ? userid : undefined
}

/**
 * `ISSUED:SIGNATURE`, needed beside the ticket for everything but GET. It is bound to the user, not to the one
 * ticket it came with: after a renewal the old one still goes.
 */
export function createCsrfToken(key: string, userid: string, issuedAt: number): string {
  const issued = hex(issuedAt)
  return `${issued}:${sign(key, `csrf:${issued}:${userid}`)}`
}

export function verifyCsrfToken(key: string, userid: string, token: string, now: number): boolean {
  const [, issued, signature] = /^([0-9A-F]{8}):(\S+)$/.exec(token) ?? []
  if (!issued || !signature) return false
  return isCurrent(issued, now) && sameSecret(signature, sign(key, `csrf:${issued}:${userid}`))
}
