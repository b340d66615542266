/** Drives, and other texts of the form `a,key=value` in a VM's config. */

import { isDriveSlot } from './drive-formats.mts'

/** A drive. Its text begins with the file, which may have no key. The options keep their order. */
export interface Drive {
  /** `tank:vm-100-disk-0`, `none`, `tank:cloudinit`, `tank:32`, ... */
  file: string
  options: Record<string, string>
}

/**
 * Parses `virtio=AA:BB,bridge=vmbr0`. Skips empty parts, as Proxmox does: some clients send `file=tank:cloudinit,`.
 * @param first key for a part without `=`.
 */
function parseProperties(value: string, first: string): Record<string, string> {
  const parts = value.split(',').filter(part => part.trim() !== '')
  const entries = parts.map(part => {
    const at = part.indexOf('=')
    return at < 0 ? [first, part] : [part.slice(0, at), part.slice(at + 1)]
  })
  return Object.fromEntries(entries)
}

/** Parses a drive. Returns undefined if the text names no file. */
export function parseDrive(value: string): Drive | undefined {
  const { file, volume, ...options } = parseProperties(value, 'file')
  const name = file ?? volume
  return name ? { file: name, options } : undefined
}

export function formatDrive(drive: Drive): string {
  return [drive.file, ...Object.entries(drive.options).map(([key, value]) => `${key}=${value}`)].join(',')
}

/** Checks for a cloud-init drive, existing or new. */
export function isCloudInit(drive: Drive): boolean {
  return /:(?:.*\/)?(cloudinit$|vm-\d+-cloudinit)/.test(drive.file)
}

/** Checks for a CD. A cloud-init drive is one, too. */
export function isCdrom(drive: Drive): boolean {
  return drive.options['media'] === 'cdrom' || isCloudInit(drive) || ['none', 'cdrom'].includes(drive.file)
}

const UNITS: Record<string, number> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

/** Parses `10G`, `512M` or `2048` to bytes. */
export function parseSize(size: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMGT])?$/.exec(size) ?? []
  return number === undefined ? undefined : Math.round(Number(number) * (unit ? UNITS[unit]! : 1))
}

/** Formats bytes in the largest unit that gives a whole number, as Proxmox writes sizes to a config. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of Object.entries(UNITS).reverse())
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`
  return String(bytes)
}

/** Lists the drives of a config. */
export function drivesOf(config: Record<string, string>): [slot: string, drive: Drive][] {
  return Object.entries(config).flatMap(([slot, value]) => {
    const drive = isDriveSlot(slot) ? parseDrive(value) : undefined
    return drive ? [[slot, drive] as [string, Drive]] : []
  })
}
