/** Passwords and API token secrets. user.cfg contains neither. */

import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

function derive(password: string, salt: Buffer): NonSharedBuffer {
  return scryptSync(password, salt, 32, { N: 4096 })
}

/** Returns the salted hash of a password: `SALT:HASH` in hex. */
export function hashPassword(password: string): string {
  const salt = randomBytes(16)
  return `${salt.toString('hex')}:${derive(password, salt).toString('hex')}`
}

export function passwordMatches(password: string, stored: string | undefined): boolean {
  const [salt, hash] = (stored ?? '').split(':')
  if (!salt || !hash) return false
  return timingSafeEqual(derive(password, Buffer.from(salt, 'hex')), Buffer.from(hash, 'hex'))
}

/** Compares secrets in constant time. */
export function sameSecret(given: string, expected: string | undefined): boolean {
  if (expected === undefined) return false
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
