/** Drives: the texts of a VM's config that name a disk or a CD, and their options. */

import { ApiError } from '../core/errors.mts'
import { parsePropertyString } from '../core/property-string.mts'
import { bySlot, driveFormatOf, isDriveSlot } from './drive-formats.mts'

/** A drive. Its text begins with the file. */
export interface Drive {
  /** `tank:vm-100-disk-0`, `none`, `tank:cloudinit`, `tank:32`, ... */
  file: string
  options: Record<string, string>
}

/**
 * Parses a drive of a config, or one that was not checked yet. Returns undefined if the text names no file.
 * Skips empty parts, as Proxmox does: some clients send `file=tank:cloudinit,`.
 */
export function parseDrive(value: string): Drive | undefined {
  const parts = value.split(',').filter(part => part.trim() !== '')
  const entries = parts.map(part => {
    const at = part.indexOf('=')
    return at < 0 ? ['file', part] : [part.slice(0, at), part.slice(at + 1)]
  })
  const { file, volume, ...options } = Object.fromEntries(entries) as Record<string, string>
  const name = file ?? volume
  return name ? { file: name, options } : undefined
}

/** Options that are only possible together with another one. */
const NEEDED: readonly [option: string, needs: string][] = [
  ...['', '_rd', '_wr'].map(way => [`mbps${way}_max`, `mbps${way}`] as [string, string]),
  ...['', '_rd', '_wr'].map(way => [`bps${way}_max_length`, `mbps${way}_max`] as [string, string]),
  ...['', '_rd', '_wr'].map(way => [`iops${way}_max_length`, `iops${way}_max`] as [string, string]),
]

/** Options that exclude each other: a limit for both ways, and one for a single way. */
const EXCLUSIVE: readonly [string, string][] = [
  ...['mbps', 'iops'].flatMap(limit =>
    ['_rd', '_wr'].map(way => [`${limit}${way}`, limit] as [string, string]),
  ),
]

/** Replaces limits in bytes by those in megabytes. Proxmox writes each as 0.000. Undefined if both are there. */
function withoutByteLimits(options: Record<string, string>): Record<string, string> | undefined {
  const kept = { ...options }
  for (const limit of ['bps', 'bps_rd', 'bps_wr']) {
    if (kept[limit] === undefined) continue
    delete kept[limit]
    if (kept[`m${limit}`] !== undefined) return undefined
    kept[`m${limit}`] = '0.000'
  }
  return kept
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '0' && value !== ''
}

function fits(slot: string, options: Record<string, string>): boolean {
  if (NEEDED.some(([option, needs]) => isSet(options[option]) && !isSet(options[needs]))) return false
  if (EXCLUSIVE.some(([one, other]) => isSet(options[one]) && isSet(options[other]))) return false
  const isCd = options['media'] === 'cdrom'
  return (
    !isCd || !(isSet(options['snapshot']) || options['format'] !== undefined || slot.startsWith('virtio'))
  )
}

/** Parses a drive that a client asks for, by the rules of its bus. Returns undefined if they do not allow it. */
export function readDrive(slot: string, value: string): Drive | undefined {
  try {
    const { file, ...parts } = parsePropertyString(driveFormatOf(slot), value)
    const options = withoutByteLimits(parts)
    if (!options || !fits(slot, options)) return undefined
    const { size } = options
    if (isSet(size)) options['size'] = formatSize(parseSize(size!)!)
    return { file: file!, options }
  } catch (error) {
    if (error instanceof ApiError) return undefined
    throw error
  }
}

/** Writes a drive as Proxmox does: the file, then the options by name. */
export function formatDrive({ file, options }: Drive): string {
  return [
    file,
    ...Object.keys(options)
      .sort()
      .map(key => `${key}=${options[key]}`),
  ].join(',')
}

/** Checks for a cloud-init drive, existing or new. */
export function isCloudInit(drive: Drive): boolean {
  return /[:/](?:vm-\d+-)?cloudinit(?:\.[a-z0-9]+)?$/.test(drive.file)
}

/** Checks for a CD. A cloud-init drive is one, too. */
export function isCdrom(drive: Drive): boolean {
  return drive.options['media'] === 'cdrom' || isCloudInit(drive) || ['none', 'cdrom'].includes(drive.file)
}

const UNITS: Record<string, number> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

/** Parses `10G`, `512MiB` or `2048` to bytes. */
export function parseSize(size: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(?:([KMGT])(?:iB)?)?$/.exec(size) ?? []
  return number === undefined ? undefined : Math.floor(Number(number) * (unit ? UNITS[unit]! : 1))
}

/** Formats bytes in the largest unit that gives a whole number, as Proxmox writes sizes to a config. Nothing is `0T`. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of Object.entries(UNITS).reverse())
    if (bytes % factor === 0) return `${bytes / factor}${unit}`
  return String(bytes)
}

/** Lists the drives of a config, those first from which a VM would start. */
export function drivesOf(config: Record<string, string>): [slot: string, drive: Drive][] {
  return Object.keys(config)
    .filter(isDriveSlot)
    .sort(bySlot)
    .flatMap(slot => {
      const drive = parseDrive(config[slot]!)
      return drive ? [[slot, drive] as [string, Drive]] : []
    })
}
