/** The parts of a drive's text for each bus (PVE/QemuServer/Drive.pm). */

import { diskSize, urlEncoded } from '../core/formats.mts'
import { family, flag, integer, optional } from '../core/parameters.mts'
import {
  findProperty,
  type Properties,
  type Property,
  type PropertyFormat,
  type Verifier,
} from '../core/property.mts'

/** Number of slots of each bus. The order decides which disk a VM without a boot order starts from. */
const BUSES = { ide: 4, scsi: 31, virtio: 16, sata: 6 } as const

/** All slots of drives, the first ones first in the default boot order. */
export const DRIVE_SLOTS: readonly string[] = [
  ...Object.entries(BUSES).flatMap(([bus, count]) =>
    Array.from({ length: count }, (_, index) => `${bus}${index}`),
  ),
  'efidisk0',
  'tpmstate0',
]

const ranks = new Map(DRIVE_SLOTS.map((slot, rank) => [slot, rank]))

export function isDriveSlot(key: string): boolean {
  return ranks.has(key)
}

/** Checks for a slot whose volume is no disk of the guest: the firmware's variables, the state of the TPM. */
export function isFirmwareSlot(key: string): boolean {
  return key === 'efidisk0' || key === 'tpmstate0'
}

/** Compares slots by the default boot order. */
export function bySlot(a: string, b: string): number {
  return ranks.get(a)! - ranks.get(b)!
}

/** Checks for `tank:name`. It need not exist. */
export const volumeId: Verifier = value =>
  /^[a-z][a-z0-9\-_.]*[a-z0-9]:[^\n]+$/i.test(value) ? undefined : `unable to parse volume ID '${value}'`

const volumeIdOrPath: Verifier = value => (value.startsWith('/') ? undefined : volumeId(value))
const volumeOrDevice: Verifier = value =>
  value === 'none' || value === 'cdrom' ? undefined : volumeIdOrPath(value)

function oneOf(...values: string[]): Property {
  return optional({ type: 'string', enum: values })
}

function matching(pattern: RegExp): Property {
  return optional({ type: 'string', pattern })
}

function encoded(bytes: number): Property {
  return optional({ type: 'string', format: urlEncoded, maxLength: 3 * bytes })
}

function aliasOf(alias: string): Property {
  return { type: 'string', alias }
}

const opt = {
  flag: optional(flag),
  integer: optional(integer),
  number: optional({ type: 'number' }),
} as const

function each(property: Property, ...keys: string[]): Properties {
  return Object.fromEntries(keys.map(key => [key, property]))
}

const file: Properties = {
  file: { type: 'string', format: volumeOrDevice, defaultKey: true },
  volume: aliasOf('file'),
}

const image: Properties = {
  ...file,
  format: oneOf('raw', 'qcow', 'qed', 'qcow2', 'vmdk', 'cloop'),
  size: optional({ type: 'string', format: diskSize }),
}

const throttles: Properties = {
  ...each(opt.integer, 'bps', 'bps_rd', 'bps_wr', 'iops', 'iops_rd', 'iops_wr'),
  ...each(opt.integer, 'iops_max', 'iops_rd_max', 'iops_wr_max'),
  ...each(opt.number, 'mbps', 'mbps_rd', 'mbps_wr', 'mbps_max', 'mbps_rd_max', 'mbps_wr_max'),
  ...each(
    optional({ ...integer, minimum: 1 }),
    ...['bps_max_length', 'bps_rd_max_length', 'bps_wr_max_length'],
    ...['iops_max_length', 'iops_rd_max_length', 'iops_wr_max_length'],
  ),
  bps_rd_length: aliasOf('bps_rd_max_length'),
  bps_wr_length: aliasOf('bps_wr_max_length'),
  iops_rd_length: aliasOf('iops_rd_max_length'),
  iops_wr_length: aliasOf('iops_wr_max_length'),
}

const common: Properties = {
  ...image,
  ...throttles,
  ...each(opt.flag, 'snapshot', 'backup', 'replicate', 'detect_zeroes', 'shared'),
  media: oneOf('cdrom', 'disk'),
  cache: oneOf('none', 'writethrough', 'writeback', 'unsafe', 'directsync'),
  rerror: oneOf('ignore', 'report', 'stop'),
  werror: oneOf('enospc', 'ignore', 'report', 'stop'),
  aio: oneOf('native', 'threads', 'io_uring'),
  discard: oneOf('ignore', 'on'),
  serial: encoded(20),
}

const ssd: Properties = { ssd: opt.flag, wwn: matching(/^(0x)[0-9a-fA-F]{16}$/) }
const virtio: Properties = { ...common, iothread: opt.flag, ro: opt.flag }

/** The parts of each bus, for a drive that is there. */
const DRIVES = {
  ide: { ...common, ...ssd, model: encoded(40) },
  sata: { ...common, ...ssd },
  scsi: {
    ...virtio,
    ...ssd,
    scsiblock: opt.flag,
    queues: optional({ ...integer, minimum: 2 }),
    product: matching(/^[A-Za-z0-9\-_\s]{0,16}$/),
    vendor: matching(/^[A-Za-z0-9\-_\s]{0,8}$/),
  },
  virtio,
  efidisk: {
    ...image,
    efitype: oneOf('2m', '4m'),
    'pre-enrolled-keys': opt.flag,
    'ms-cert': oneOf('2011', '2023', '2023w', '2023k'),
  },
  tpmstate: {
    ...image,
    format: oneOf('raw', 'qcow2', 'vmdk'),
    version: oneOf('v1.2', 'v2.0'),
  },
} satisfies Record<string, Properties>

const importFrom: Properties = { 'import-from': optional({ type: 'string', format: volumeIdOrPath }) }

function drive(bus: keyof typeof DRIVES, more: Properties): Property & { format: PropertyFormat } {
  return optional({ type: 'string', format: { properties: { ...DRIVES[bus], ...more } } })
}

/** The alias `cdrom` of `ide2`, which cannot make a disk. */
export const cdromOption = drive('ide', {})

/** Drives as a client may ask for them: also new ones, and copies of an image. */
export const driveOptions = {
  'ide[n]': family(BUSES.ide, drive('ide', importFrom)),
  'sata[n]': family(BUSES.sata, drive('sata', importFrom)),
  'scsi[n]': family(BUSES.scsi, drive('scsi', importFrom)),
  'virtio[n]': family(BUSES.virtio, drive('virtio', importFrom)),
  efidisk0: drive('efidisk', importFrom),
  tpmstate0: drive('tpmstate', importFrom),
  'unused[n]': family(
    256,
    optional({
      type: 'string',
      format: { properties: { ...file, file: { ...file['file']!, format: volumeId } } },
    }),
  ),
} satisfies Properties

/** Returns the format of a slot's drive. */
export function driveFormatOf(slot: string): PropertyFormat {
  return findProperty(driveOptions, slot)!.format as PropertyFormat
}
