/**
 * Tells what a change of one option of its config means for a VM that runs. From qemu-server 9.2, QemuServer.pm:
 * `vmconfig_hotplug_pending`, `vmconfig_update_net`, `vmconfig_update_disk`, `vmconfig_update_agent`. Pure.
 */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { propertiesOf } from '../../proxmox/property-string.mts'

/**
 * `nothing`: the guest has no part in it. `hot`: the running guest gets it. `reboot`: it waits until the VM was powered off
 * and on.
 */
export type Effect = 'nothing' | 'hot' | 'reboot'

/** Options that mean nothing to the guest while it runs. Those of cloud-init count when the drive is made anew. */
const WITHOUT_GUEST =
  /^(description|hookscript|lock|migrate_downtime|migrate_speed|name|onboot|protection|shares|startup|tags|vmstatestorage|cicustom|cipassword|citype|ciupgrade|ciuser|nameserver|searchdomain|sshkeys|ipconfig\d+)$/

/**
 * @param running config that the VM runs with, without what waits for its next start.
 * @param value new text of the option; undefined: the option is removed.
 */
export function effectOn(running: VmConfig, key: string, value: string | undefined): Effect {
  const before = running[key] === undefined ? undefined : String(running[key])
  if (before === value || WITHOUT_GUEST.test(key)) return 'nothing'
  return isHot({ running, key, before, value }) ? 'hot' : 'reboot'
}

interface OptionChange {
  running: VmConfig
  key: string
  before: string | undefined
  value: string | undefined
}

type IsHot = (change: OptionChange) => boolean

const RULES: readonly (readonly [RegExp, IsHot])[] = [
  [/^(cpuunits|cpulimit)$/, () => true],
  [/^memory$/, hasFeature('memory')],
  [/^vcpus$/, hasFeature('cpu')],
  [/^tablet$/, hasFeature('usb')],
  [/^usb\d+$/, change => hasFeature('usb')(change) && knowsUsbHotplug(change.running)],
  // The balloon device itself is there from the start, or not; 0 takes it away.
  [/^balloon$/, ({ before, value }) => (before === '0') === (value === '0')],
  [/^hotplug$/, ({ before, value }) => !/cpu|memory/.test(`${before ?? ''} ${value ?? ''}`)],
  [/^agent$/, isHotForAgent],
  [/^net\d+$/, change => hasFeature('network')(change) || changesOnlyParts(change, NOT_SOFT_CARD)],
  [/^(efidisk|tpmstate)\d+$/, () => false],
  [/^(ide|sata|scsi|virtio)\d+$/, isHotForDrive],
]

function isHot(change: OptionChange): boolean {
  return RULES.find(([pattern]) => pattern.test(change.key))?.[1](change) ?? false
}

/** Checks a feature of `hotplug`; 1 stands for the default. */
function hasFeature(feature: string): IsHot {
  return ({ running }) => {
    const text = String(running['hotplug'] ?? 1)
    return (text === '1' ? 'network,disk,usb' : text).split(/[,;\s]+/).includes(feature)
  }
}

/** Linux since 2.6, and Windows since 8. */
function knowsUsbHotplug({ ostype }: VmConfig): boolean {
  return /^(l26|win(8|10|11))$/.test(String(ostype ?? ''))
}

function isHotForAgent({ before, value }: OptionChange): boolean {
  if (before === undefined || before === '0' || value === undefined) return false
  return changedParts(before, value, 'enabled').every(part => part === 'fstrim_cloned_disks')
}

/** A card with another one of these is another card. */
const NOT_SOFT_CARD = /^(?!(bridge|tag|trunks|firewall|rate|link_down)$)/

/** Parts of a disk that only a new device can change. */
const NOT_SOFT_DISK = /^(aio|cache|discard|iothread|product|queues|ro|ssd|vendor)$/

function changesOnlyParts({ before, value }: OptionChange, hard: RegExp): boolean {
  if (before === undefined || value === undefined) return false
  const [old, next] = [before, value].map(text => propertiesOf(text, 'model')) as [Parts, Parts]
  if (!old.has('bridge') || !next.has('bridge')) return false
  return !changedParts(before, value, 'model').some(part => hard.test(part))
}

function isHotForDrive(change: OptionChange): boolean {
  const { key, before, value } = change
  const isPluggable = !/^(ide|sata)/.test(key) && hasFeature('disk')(change)
  if (before === undefined || value === undefined) return isPluggable
  // Another medium in a CD-ROM drive.
  if (propertiesOf(before, 'file').get('media') === 'cdrom') return true
  const changed = changedParts(before, value, 'file')
  return changed.includes('file') ? isPluggable : !changed.some(part => NOT_SOFT_DISK.test(part))
}

type Parts = ReturnType<typeof propertiesOf>

function changedParts(before: string, after: string, first: string): string[] {
  const [old, next] = [propertiesOf(before, first), propertiesOf(after, first)]
  return [...new Set([...old.keys(), ...next.keys()])].filter(part => old.get(part) !== next.get(part))
}
