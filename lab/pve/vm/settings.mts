/** Between a request's parameters, a config's texts, and the JSON a client reads. */

import type { RawParameters } from '../core/parameters.mts'
import type { VmConfig } from '../core/state.mts'
import { isNumericOption, vmOptions } from './options.mts'

const familyOf = (key: string) => key.replace(/\d+$/, '[n]')

const isOption = (key: string) => Object.hasOwn(vmOptions, key) || Object.hasOwn(vmOptions, familyOf(key))

const normalize = (key: string, value: string) =>
  vmOptions[key]?.type === 'boolean' ? (/^(1|on|yes|true)$/i.test(value) ? '1' : '0') : value

/** The config options among a request's parameters, as they will stand in the config. */
export const settingsFrom = (raw: RawParameters): VmConfig =>
  Object.fromEntries(
    Object.entries(raw)
      .filter(([key]) => isOption(key))
      .map(([key, value]) => [key, normalize(key, String(value))]),
  )

export const HIDDEN_PASSWORD = '**********'

/** What a client reads for one option: integers and booleans as numbers, a password never. */
export function visibleValue(key: string, value: string): string | number {
  if (key === 'cipassword') return HIDDEN_PASSWORD
  return isNumericOption(key) ? Number(value) : value
}

export const visibleConfig = (config: VmConfig) =>
  Object.fromEntries(Object.entries(config).map(([key, value]) => [key, visibleValue(key, value)]))
