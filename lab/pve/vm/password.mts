/** Cloud-init passwords: a config never keeps one in the clear. */

import { randomBytes } from 'node:crypto'
import { encrypt } from 'unixcrypt'
import type { VmConfig } from '../core/state.mts'

/** MD5, SHA-256, SHA-512 and bcrypt hashes are kept as they are. */
const HASHED = /^\$(?:[156]|2[ay])(\$.+){2}/

function hash(password: string): string {
  return HASHED.test(password) ? password : encrypt(password, `$5$${randomBytes(4).toString('hex')}`)
}

/** The settings with `cipassword` as its SHA-256 crypt hash. */
export function withHashedPassword(settings: VmConfig): VmConfig {
  return settings['cipassword'] ? { ...settings, cipassword: hash(settings['cipassword']) } : settings
}
