/** Reads disks and cards from a VM's config. */

import type { VmConfig } from './get-vm-config.mts'
import { storageOf, volumeOf } from './property-string.mts'

const DISK_SLOT = /^(scsi|virtio|sata|ide)\d+$/

/** Volumes of the disks by slot, without CDs, cloud-init drive and EFI variables. */
export function disksOf(config: VmConfig): Record<string, string> {
  const disks = Object.entries(config)
    .filter(([slot, value]) => DISK_SLOT.test(slot) && !String(value).includes('media=cdrom'))
    .filter(([, value]) => !isCloudInitDrive(value))
  return Object.fromEntries(disks.map(([slot, value]) => [slot, volumeOf(String(value))]))
}

/** Slot of the disk that the VM boots from: the first disk of the boot order, otherwise the first disk. */
export function bootDiskOf(config: VmConfig): string | undefined {
  const disks = Object.keys(disksOf(config))
  const [, order = ''] = /order=([^,]*)/.exec(String(config['boot'] ?? '')) ?? []
  return (
    [...order.split(';'), String(config['bootdisk'] ?? '')].find(slot => disks.includes(slot)) ?? disks[0]
  )
}

/** Slot of the cloud-init drive; undefined if there is none. */
export function cloudInitSlotOf(config: VmConfig): string | undefined {
  return Object.entries(config).find(([slot, value]) => DISK_SLOT.test(slot) && isCloudInitDrive(value))?.[0]
}

function isCloudInitDrive(value: string | number): boolean {
  return /[:-]cloudinit\b/.test(String(value))
}

/** MAC address of the first network card, in lower case. */
export function macOf(config: VmConfig): string | undefined {
  return /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/i.exec(String(config['net0'] ?? ''))?.[0].toLowerCase()
}

const DRIVE_SLOT = /^(scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/
const FIRMWARE_SLOT = /^(efidisk|tpmstate)0$/

/** Bridges of the cards, with their VLANs. */
export function networksOf(config: VmConfig): { bridge: string; vlanTag: number | undefined }[] {
  const cards = Object.entries(config).filter(([slot]) => /^net\d+$/.test(slot))
  return cards.flatMap(([, card]) => {
    const [, bridge] = /(?:^|,)bridge=([^,]+)/.exec(String(card)) ?? []
    const [, tag] = /(?:^|,)tag=(\d+)/.exec(String(card)) ?? []
    return bridge === undefined ? [] : [{ bridge, vlanTag: tag === undefined ? undefined : Number(tag) }]
  })
}

/**
 * Storages of the disks, without CDs and without the cloud-init drive, which is a CD for Proxmox. Those of the firmware's
 * variables and of the TPM come last.
 */
export function storagesOfDisks(config: VmConfig): string[] {
  const drives = Object.entries(config).filter(([, drive]) => !String(drive).includes('media=cdrom'))
  const ofDisks = drives.filter(([slot]) => DISK_SLOT.test(slot))
  const ofFirmware = drives.filter(([slot]) => FIRMWARE_SLOT.test(slot))
  return [...ofDisks, ...ofFirmware].map(([, drive]) => storageOf(String(drive)))
}

/** Storages of all drives, with CDs, cloud-init drive, EFI variables and TPM state. */
export function storagesOfDrives(config: VmConfig): Set<string> {
  const drives = Object.entries(config).filter(([slot]) => DRIVE_SLOT.test(slot))
  return new Set(drives.map(([, drive]) => storageOf(String(drive))))
}
