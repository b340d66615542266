/** What the test reads from a VM's config, as Proxmox answers it. */
type VmConfig = Record<string, string | number>

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
