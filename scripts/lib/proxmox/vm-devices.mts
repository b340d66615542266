/** Reads disks and cards from a VM's config. */

import type { VmConfig } from './get-vm-config.mts'

const diskSlot = /^(scsi|virtio|sata|ide)\d+$/

/** Volumes of the disks, by slot; no CDs, no cloud-init drive, no EFI variables. */
export function disksOf(config: VmConfig): Record<string, string> {
  const disks = Object.entries(config)
    .filter(([slot, value]) => diskSlot.test(slot) && !String(value).includes('media=cdrom'))
    .filter(([, value]) => !isCloudInitDrive(value))
  return Object.fromEntries(disks.map(([slot, value]) => [slot, String(value).split(',')[0]!]))
}

/** The slot of the disk it boots from: the first of the boot order, else the first there is. */
export function bootDiskOf(config: VmConfig): string | undefined {
  const disks = Object.keys(disksOf(config))
  const [, order = ''] = /order=([^,]*)/.exec(String(config['boot'] ?? '')) ?? []
  return (
    [...order.split(';'), String(config['bootdisk'] ?? '')].find(slot => disks.includes(slot)) ?? disks[0]
  )
}

/** The slot of the cloud-init drive. */
export function cloudInitSlotOf(config: VmConfig): string | undefined {
  return Object.entries(config).find(([slot, value]) => diskSlot.test(slot) && isCloudInitDrive(value))?.[0]
}

function isCloudInitDrive(value: string | number): boolean {
  return /[:-]cloudinit\b/.test(String(value))
}

/** The MAC address of the first network card, in lower case. */
export function macOf(config: VmConfig): string | undefined {
  return /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/i.exec(String(config['net0'] ?? ''))?.[0].toLowerCase()
}

const driveSlot = /^(scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/

/** Lists the storages that hold the VM's disks and its cloud-init drive; CDs are left out. */
export function storagesOfDisks(config: VmConfig): string[] {
  return Object.entries(config)
    .filter(([slot, drive]) => diskSlot.test(slot) && !String(drive).includes('media=cdrom'))
    .map(([, drive]) => storageOf(drive))
}

/** The storages of all drives: CDs, the cloud-init drive, EFI variables and TPM state among them. */
export function storagesOfDrives(config: VmConfig): Set<string> {
  const drives = Object.entries(config).filter(([slot]) => driveSlot.test(slot))
  return new Set(drives.map(([, drive]) => storageOf(drive)))
}

function storageOf(drive: string | number): string {
  return String(drive).split(':')[0]!
}
