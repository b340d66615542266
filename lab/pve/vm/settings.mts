/** Between a request's parameters, a config's texts, and the JSON a client reads. */

import type { RawParameters } from '../core/parameters.mts'
import type { VmConfig } from '../core/state.mts'
import { isNumericOption, vmOptions } from './options.mts'

function familyOf(key: string): string {
  return key.replace(/\d+$/, '[n]')
}

function isOption(key: string): boolean {
  return Object.hasOwn(vmOptions, key) || Object.hasOwn(vmOptions, familyOf(key))
}

function normalize(key: string, value: string): string {
  return vmOptions[key]?.type === 'boolean' ? (/^(1|on|yes|true)$/i.test(value) ? '1' : '0') : value
}

/** The config options among a request's parameters, as they will stand in the config. */
export function settingsFrom(raw: RawParameters): VmConfig {
  return Object.fromEntries(
    Object.entries(raw)
      .filter(([key]) => isOption(key))
      .map(([key, value]) => [key, normalize(key, String(value))]),
  )
}

export const HIDDEN_PASSWORD = '**********'

/** What a client reads for one option: integers and booleans as numbers, a password never. */
export function visibleValue(key: string, value: string): string | number {
  if (key === 'cipassword') return HIDDEN_PASSWORD
  return isNumericOption(key) ? Number(value) : value
}

export function visibleConfig(config: VmConfig): { [k: string]: string | number } {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, visibleValue(key, value)]))
}
