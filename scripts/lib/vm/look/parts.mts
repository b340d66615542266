/** Tells what of a VM proxmint made, and what somebody else added in Proxmox. Pure: it reads a config. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { volumeOf } from '../../proxmox/property-string.mts'
import { bootDiskOf, cloudInitSlotOf } from '../../proxmox/vm-devices.mts'
import type { Entry } from '../../registry/entry.mts'
import { ownVolumes } from '../../registry/rebuild.mts'
import { type DisksOfDesign, dataDiskSlots } from '../shape/data-disks.mts'
import { type DevicesOfDesign, deviceSlots } from '../shape/devices.mts'

/** A device or a disk of a VM: its slot, and its text in the config. */
export interface Part {
  slot: string
  value: string
}

/** A VM by who made its parts. */
interface VmParts {
  /** Devices and disks that came with the VM template, or that proxmint added. */
  ours: Part[]
  /** Cards, CD-ROMs, PCI, USB and other devices that somebody else added. None of them holds data. */
  foreignDevices: Part[]
  /** Disks that somebody else added, and detached disks. */
  foreignDisks: Part[]
  /** Whether Proxmox refuses to remove the VM and its disks. */
  isProtected: boolean
  /** The lock in the config while Proxmox works on the VM: `backup`, `migrate`, ... */
  lock: string | undefined
}

const DISK = /^(scsi|virtio|sata|ide|unused|efidisk|tpmstate)\d+$/
const DEVICE = /^(net|hostpci|usb|serial|parallel|audio|virtiofs)\d+$|^rng0$/
/** Parts of a VM that was made before its parts were written down. */
const ALWAYS_OURS = /^(net0|scsi0|serial\d+|efidisk0|tpmstate0|rng0)$/

/** What the registry knows of the parts of a VM. */
interface KnownParts {
  /** Slots that the VM had when it was made; undefined: nobody wrote them down. */
  made: readonly string[] | undefined
  /** Its data disks and mapped devices. */
  added: DisksOfDesign & DevicesOfDesign
  /** Volumes of root disks that a rebuild exchanges. */
  volumes: readonly string[]
}

/** Reads from an entry what it knows of the parts of its VM. None of them is ours in a VM that proxmint did not make. */
export function knownPartsOf(entry: Pick<Entry, 'design' | 'previous' | 'rebuild' | 'foreign'>): KnownParts {
  const made = entry.foreign ? [] : entry.design?.made
  return { made, added: entry.design ?? {}, volumes: ownVolumes(entry) }
}

/** Sorts the parts of a VM. */
export function partsOf(config: VmConfig, { made, added, volumes }: KnownParts): VmParts {
  const ownSlots = new Set([...dataDiskSlots(added, config).keys(), ...deviceSlots(added, config)])
  const parts = slotsOf(config).map(slot => ({ slot, value: String(config[slot]) }))
  const isOurs = ({ slot, value }: Part): boolean =>
    slot === cloudInitSlotOf(config) ||
    isSeed(value) ||
    ownSlots.has(slot) ||
    (/^unused/.test(slot) && volumes.includes(volumeOf(value))) ||
    (made === undefined ? ALWAYS_OURS.test(slot) || slot === bootDiskOf(config) : made.includes(slot))
  const foreign = parts.filter(part => !isOurs(part))
  return {
    ours: parts.filter(isOurs),
    foreignDevices: foreign.filter(part => !isDisk(part)),
    foreignDisks: foreign.filter(isDisk),
    isProtected: String(config['protection'] ?? 0) === '1',
    lock: config['lock'] === undefined ? undefined : String(config['lock']),
  }
}

/** Lists the slots of all devices and disks, in the order of their names and numbers. */
export function slotsOf(config: VmConfig): string[] {
  return Object.keys(config)
    .filter(key => DISK.test(key) || DEVICE.test(key))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
}

/** Checks whether a part holds data; a CD-ROM and a cloud-init drive do not. */
export function isDisk({ slot, value }: Part): boolean {
  return DISK.test(slot) && !value.includes('media=cdrom')
}

/** The user-data of the VM as an ISO image, in whatever drive. */
function isSeed(value: string): boolean {
  return /:iso\/proxmint-[^,]*\.iso(,|$)/.test(value)
}

/** Names parts for a person: `net1 (virtio=...)`. */
export function partNames(parts: Part[]): string {
  return parts.map(({ slot, value }) => `${slot} (${value})`).join(', ')
}
