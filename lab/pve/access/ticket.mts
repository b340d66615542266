/** Login tickets and CSRF tokens: signed texts with the time of issue, valid for two hours. */

import { createHmac } from 'node:crypto'
import { sameSecret } from './secrets.mts'

/** Seconds. */
const TICKET_LIFETIME = 2 * 60 * 60
/** Seconds by which a ticket may come from the future, because clocks of nodes differ a little. */
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

/** Makes `PVE:user@realm:ISSUED::SIGNATURE`. @param issuedAt seconds since the epoch. */
export function createTicket(key: string, userid: string, issuedAt: number): string {
  const plain = `PVE:${userid}:${hex(issuedAt)}`
  return `${plain}::${sign(key, plain)}`
}

/** Returns the user of a valid ticket; undefined for any other. @param now seconds since the epoch. */
export function verifyTicket(key: string, ticket: string, now: number): string | undefined {
  const match = /^(PVE:(\S+):([0-9A-F]{8}))::(\S+)$/.exec(ticket)
  if (!match) return undefined
  const [, plain, userid, issued, signature] = match
  return sameSecret(signature!, sign(key, plain!)) && isCurrent(issued!, now) ? userid : undefined
}

/**
 * Makes `ISSUED:SIGNATURE`, which all requests but GET need beside the ticket. It belongs to the user and not to one
 * ticket: after a renewal the old one is still valid.
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
