/** Converts options between a request's parameters, the texts of a config, and the JSON of an answer. */

import { randomBytes } from 'node:crypto'
import { encrypt } from 'unixcrypt'
import type { RawParameters } from '../core/parameters.mts'
import { findProperty } from '../core/property-string.mts'
import type { VmConfig } from '../core/state.mts'
import { isNumericOption, vmOptions } from './options.mts'

/** Selects the config options from a request's parameters, with the texts for the config. */
export function settingsFrom(raw: RawParameters): VmConfig {
  return Object.fromEntries(
    Object.entries(raw)
      .filter(([key]) => findProperty(vmOptions, key) !== undefined)
      .map(([key, value]) => [key, String(value)]),
  )
}

/** Hashes that the config keeps as they are: MD5, SHA-256, SHA-512 and bcrypt. */
const HASHED = /^\$(?:[156]|2[ay])(\$.+){2}/

function hash(password: string): string {
  return HASHED.test(password) ? password : encrypt(password, `$5$${randomBytes(4).toString('hex')}`)
}

/** Replaces `cipassword` by its SHA-256 crypt hash: a config never contains a password in the clear. */
export function withHashedPassword(settings: VmConfig): VmConfig {
  return settings['cipassword'] ? { ...settings, cipassword: hash(settings['cipassword']) } : settings
}

export const HIDDEN_PASSWORD = '**********'

/** Returns an option for an answer: integers and booleans as numbers, never a password. */
export function visibleValue(key: string, value: string): string | number {
  if (key === 'cipassword') return HIDDEN_PASSWORD
  return isNumericOption(key) ? Number(value) : value
}

export function visibleConfig(config: VmConfig): Record<string, string | number> {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, visibleValue(key, value)]))
}
