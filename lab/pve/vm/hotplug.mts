/** Which changes of the config a running machine takes at once (`vmconfig_hotplug_pending` in PVE/QemuServer.pm). */

import { parsePropertyString } from '../core/property-string.mts'
import type { VmConfig } from '../core/state.mts'
import { nicFormat } from './device-formats.mts'
import { isCdrom, isCloudInit, parseDrive } from './drive.mts'
import { isDriveSlot, isFirmwareSlot } from './drive-formats.mts'
import { isWindows } from './machine.mts'
import { agentFormat } from './option-formats.mts'
import { isCloudInitOption } from './options.mts'

/** Options that mean nothing to the running machine. */
const FAST = new Set([
  ...[
    'description',
    'hookscript',
    'lock',
    'migrate_downtime',
    'migrate_speed',
    'name',
    'onboot',
    'protection',
  ],
  ...['shares', 'startup', 'tags', 'vmstatestorage'],
])

export function isFast(key: string): boolean {
  return FAST.has(key) || isCloudInitOption(key)
}

type Feature = 'network' | 'disk' | 'cpu' | 'memory' | 'usb' | 'cloudinit'

export function hasFeature(config: VmConfig, feature: Feature): boolean {
  const text = config['hotplug'] ?? '1'
  return (text === '1' ? 'network,disk,usb' : text).split(/[,;\s]+/).includes(feature)
}

function isNewKernel(config: VmConfig): boolean {
  return config['ostype'] === 'l26' || (isWindows(config) && /^win(8|10|11)$/.test(config['ostype']!))
}

/** Checks options for which setting and removing are alike. Undefined: another rule decides. */
function isPlugged(config: VmConfig, key: string): boolean | undefined {
  if (key === 'tablet') return hasFeature(config, 'usb')
  if (key === 'vcpus') return hasFeature(config, 'cpu')
  if (key === 'memory') return hasFeature(config, 'memory')
  if (/^usb\d+$/.test(key)) return hasFeature(config, 'usb') && isNewKernel(config)
  return ['cpuunits', 'cpulimit'].includes(key) || isFast(key) ? true : undefined
}

/** Checks whether a running machine can lose an option. */
export function canUnplug(config: VmConfig, key: string): boolean {
  const plugged = isPlugged(config, key)
  if (plugged !== undefined) return plugged
  if (key === 'hotplug') return !/cpu|memory/.test(config['hotplug'] ?? '')
  if (key === 'balloon') return config['balloon'] !== '0'
  if (/^net\d+$/.test(key)) return hasFeature(config, 'network')
  return isDriveSlot(key) && !/^(efidisk|ide|sata|tpmstate)/.test(key) && hasFeature(config, 'disk')
}

function changedKeys(before: Record<string, string>, after: Record<string, string>): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    key => before[key] !== after[key],
  )
}

/** Changes of a card that need no new one. */
const SOFT_NIC = ['bridge', 'tag', 'trunks', 'firewall', 'rate', 'link_down']

function canChangeNic(config: VmConfig, key: string, value: string): boolean {
  if (hasFeature(config, 'network')) return true
  if (config[key] === undefined) return false
  const [before, after] = [config[key], value].map(text => parsePropertyString(nicFormat, text))
  if (!before!['bridge'] || !after!['bridge']) return false
  return changedKeys(before!, after!).every(each => SOFT_NIC.includes(each))
}

/** Options of a disk that only a new device can change. */
const HARD_DISK = ['aio', 'cache', 'discard', 'iothread', 'product', 'queues', 'ro', 'ssd', 'vendor']

function canChangeDrive(config: VmConfig, key: string, value: string): boolean {
  if (isFirmwareSlot(key)) return false
  const before = parseDrive(config[key] ?? '')
  const after = parseDrive(value)!
  if (before && isCdrom(before)) return true
  if (before && before.file === after.file)
    return !changedKeys(before.options, after.options).some(option => HARD_DISK.includes(option))
  return hasFeature(config, 'disk') && !/^(ide|sata)/.test(key)
}

/** Checks for another kind of medium, which Proxmox refuses in a running machine. */
export function isOtherMedium(config: VmConfig, key: string, value: string): boolean {
  const before = isDriveSlot(key) ? parseDrive(config[key] ?? '') : undefined
  return before !== undefined && isCdrom(before) !== isCdrom(parseDrive(value)!)
}

/** Checks for a cloud-init drive, which is generated when it is attached. */
export function isCloudInitDrive(key: string, value: string): boolean {
  return isDriveSlot(key) && isCloudInit(parseDrive(value)!)
}

function canChangeAgent(config: VmConfig, value: string): boolean {
  if ([undefined, '', '0'].includes(config['agent'])) return false
  const before = parsePropertyString(agentFormat, config['agent']!)
  return changedKeys(before, parsePropertyString(agentFormat, value)).every(
    key => key === 'fstrim_cloned_disks',
  )
}

/** Checks whether a running machine takes a new value. */
export function canPlug(config: VmConfig, key: string, value: string): boolean {
  const plugged = isPlugged(config, key)
  if (plugged !== undefined) return plugged
  if (key === 'hotplug') return !/cpu|memory/.test(`${value} ${config['hotplug'] ?? ''}`)
  if (key === 'balloon') return (config['balloon'] !== '0') === (value !== '0')
  if (key === 'agent') return canChangeAgent(config, value)
  if (/^net\d+$/.test(key)) return canChangeNic(config, key, value)
  return isDriveSlot(key) && canChangeDrive(config, key, value)
}
