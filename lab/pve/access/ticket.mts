/** Login tickets and CSRF tokens: signed text with the time of issue, good for two hours. */

import { createHmac } from 'node:crypto'
import { sameSecret } from './secrets.mts'

const LIFETIME_SECONDS = 2 * 60 * 60
/** Clocks of client and server may differ a little. */
const SKEW_SECONDS = 300

const now = () => Math.floor(Date.now() / 1000)
const hex = (seconds: number) => seconds.toString(16).toUpperCase().padStart(8, '0')
const sign = (key: string, text: string) => createHmac('sha256', key).update(text).digest('base64')

function isCurrent(issuedHex: string): boolean {
  const age = now() - Number.parseInt(issuedHex, 16)
  return age >= -SKEW_SECONDS && age <= LIFETIME_SECONDS
}

/** `PVE:user@realm:ISSUED::SIGNATURE`. `issuedAt` in seconds since the epoch. */
export function createTicket(key: string, userid: string, issuedAt = now()): string {
  const plain = `PVE:${userid}:${hex(issuedAt)}`
  return `${plain}::${sign(key, plain)}`
}

/** The user of a valid ticket; undefined when it is forged or too old. */
export function verifyTicket(key: string, ticket: string): string | undefined {
  const match = /^(PVE:(\S+):([0-9A-F]{8}))::(\S+)$/.exec(ticket)
  if (!match) return undefined
  const [, plain, userid, issued, signature] = match
  return sameSecret(signature!, sign(key, plain!)) && isCurrent(issued!) ? userid : undefined
}

/** `ISSUED:SIGNATURE`, needed beside the ticket for everything but GET. */
export function createCsrfToken(key: string, userid: string, issuedAt = now()): string {
  const issued = hex(issuedAt)
  return `${issued}:${sign(key, `csrf:${issued}:${userid}`)}`
}

export function verifyCsrfToken(key: string, userid: string, token: string): boolean {
  const [issued, signature] = token.split(':')
  if (!issued || !signature || !/^[0-9A-F]{8}$/.test(issued)) return false
  return isCurrent(issued) && sameSecret(signature, sign(key, `csrf:${issued}:${userid}`))
}
