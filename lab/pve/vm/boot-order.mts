/** The devices that a VM starts from. */

import { splitList } from '../core/parameters.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { VmConfig } from '../core/state.mts'
import { drivesOf, isCdrom, isCloudInit } from './drive.mts'
import { bootFormat } from './option-formats.mts'

/** Lists the devices of the boot order; undefined if the config has no order. */
export function bootOrderOf(config: VmConfig): string[] | undefined {
  // Earlier states of the lab have an order without devices.
  const text = (config['boot'] ?? '').replace(/^order=$/, '')
  const { order } = parsePropertyString(bootFormat, text)
  return order === undefined ? undefined : splitList(order)
}

/** Writes a boot order. Proxmox writes an empty one without a key. */
export function bootText(devices: string[]): string {
  return devices.length === 0 ? '' : `order=${devices.join(';')}`
}

/** Order of the letters of Proxmox's old notation if none is given: disk, CD, network. */
const LEGACY = 'cdn'

/** Lists the devices that a VM starts from without a boot order. */
function legacyOrder(config: VmConfig): string[] {
  const { legacy = LEGACY } = parsePropertyString(bootFormat, config['boot'] ?? '')
  const cds = drivesOf(config).filter(([, drive]) => isCdrom(drive) && !isCloudInit(drive))
  const disk = config['bootdisk']
  const devices: Record<string, string[]> = {
    c: disk !== undefined && config[disk] !== undefined ? [disk] : [],
    d: cds.map(([slot]) => slot),
    n: Object.keys(config).filter(key => /^net\d+$/.test(key)),
  }
  return [...legacy].flatMap(letter => devices[letter] ?? [])
}

/** Returns the first disk that a VM starts from: in the boot order, or the one of the old notation. */
export function bootDisksOf(config: VmConfig): string[] {
  return bootOrderOf(config) ?? (config['bootdisk'] === undefined ? [] : [config['bootdisk']])
}

/** Returns the text of the boot order without a device; undefined if it was not there. */
export function bootWithout(config: VmConfig, device: string): string | undefined {
  const order = bootOrderOf(config) ?? (config['boot'] === undefined ? legacyOrder(config) : [])
  return order.includes(device) ? bootText(order.filter(each => each !== device)) : undefined
}
