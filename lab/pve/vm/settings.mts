/** Converts options between a request's parameters, the texts of a config, and the JSON of an answer. */

import { randomBytes } from 'node:crypto'
import { encrypt } from 'unixcrypt'
import { failure } from '../core/errors.mts'
import { type RawParameters, splitList } from '../core/parameters.mts'
import { findProperty } from '../core/property.mts'
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

/** Sorts tags, in lower case and each of them once (`get_unique_tags` in PVE/GuestHelpers.pm). */
export function uniqueTags(tags: string): string {
  return [...new Set(splitList(tags.toLowerCase()))].sort().join(';')
}

const STORABLE: Record<string, RegExp> = {
  integer: /^\d+$/,
  number: /^\d+(\.\d+)?$/,
}

function requireStorable(key: string, value: string): void {
  const { type } = findProperty(vmOptions, key) ?? { type: 'string' }
  const fault = /[\n\r]/.test(value)
    ? 'property contains a line feed'
    : STORABLE[type]?.test(value) === false && `type check ('${type}') failed - got '${value}'`
  if (fault) throw failure(`unable to parse value of '${key}' - ${fault}`)
}

function storedText(key: string, value: string): string {
  requireStorable(key, value)
  const property = findProperty(vmOptions, key)
  if (property?.type === 'integer') return String(Number(value))
  const text = property?.format === undefined ? value.replace(/^"(.*)"$/, '$1') : value
  // A line needs a value: an empty one reads as a blank.
  return text.trim() || ' '
}

/**
 * Returns options as Proxmox reads them again from its file: without white space around them, an empty one as a blank,
 * an empty description not at all.
 * @throws {ApiError} 500 for a value that the file cannot hold.
 */
export function storedConfig(config: VmConfig): VmConfig {
  const { description, ...others } = config
  const stored = Object.fromEntries(
    Object.entries(others).map(([key, value]) => [key, storedText(key, value)]),
  )
  const text = description?.trimEnd()
  return text ? { ...stored, description: text } : stored
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
