/** Checks the drives that a client asks for, and makes their volumes. */

import { failure, parameterError } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import type { TaskContext } from '../core/task.mts'
import { requireFile } from '../storage/files.mts'
import { parseVolumeName } from '../storage/names.mts'
import {
  cloneVolume,
  createCloudInitVolume,
  createEfiVolume,
  createVolume,
  importVolume,
} from '../storage/new-volumes.mts'
import { findVolume, parseVolumeId, storageOf } from '../storage/storages.mts'
import { isFileBased } from '../storage/types.mts'
import { dropVolumes, type NewVolume, renameToBase, volumeOf } from '../storage/volumes.mts'
import { type Drive, drivesOf, formatDrive, formatSize, isCloudInit, readDrive } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'
import { efiSize, ovmfKindOf, TPM_SIZE } from './firmware.mts'
import { isTemplate } from './vm.mts'

const KIB = 1024
/** Text for a new disk: `tank:32` means 32 GiB; `tank:0` with `import-from` means the size of the image. */
const NEW_DISK = /^([^/:\s]+):(\d+(?:\.\d+)?)$/

/** Reads the storage and size of a new disk; undefined for other drives. Proxmox counts in KiB. */
export function newDiskOf(drive: Drive): { storage: string; bytes: number } | undefined {
  const [, storage, gib] = NEW_DISK.exec(drive.file) ?? []
  return storage === undefined ? undefined : { storage, bytes: Math.ceil(Number(gib) * KIB ** 2) * KIB }
}

/** Reads the storage of a new cloud-init drive from `tank:cloudinit`; undefined for other drives. */
export function newCloudInitOf(drive: Drive): string | undefined {
  return /^([^/:\s]+):cloudinit$/.exec(drive.file)?.[1]
}

/** Replaces the alias `cdrom` by its meaning: a CD in `ide2`. */
export function resolveCdromAlias(settings: VmConfig): VmConfig {
  const { cdrom, ...rest } = settings
  if (!cdrom) return rest
  return { ...rest, ide2: cdrom.includes('media=') ? cdrom : `${cdrom},media=cdrom` }
}

const IMPORT_NEEDS: Record<string, readonly string[]> = {
  efidisk0: ['efitype', 'pre-enrolled-keys'],
  tpmstate0: ['version'],
}

function importFault(slot: string, drive: Drive): string | undefined {
  if (drive.options['import-from'] === undefined) return undefined
  if (newDiskOf(drive)?.bytes !== 0)
    return "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>"
  const missing = IMPORT_NEEDS[slot]?.find(option => drive.options[option] === undefined)
  return missing && `need to specify '${missing}' when using 'import-from'`
}

/** Checks whether a name is neither a volume nor a device of the node. The lab finds no volume by such a path. */
function isStrayPath(file: string): boolean {
  return !/^(cdrom|none)$|^\/dev\/.+|^[^:]+:.+$|^\d+$/.test(file)
}

function isIso(pve: Pve, drive: Drive): boolean {
  const id = parseVolumeId(drive.file)
  if (!id || newDiskOf(drive) || newCloudInitOf(drive)) return false
  return parseVolumeName(storageOf(pve, id.storage), id.name).type === 'iso'
}

function checkDrive(pve: Pve, slot: string, value: string): Drive {
  const drive = readDrive(slot, value)
  if (!drive) throw parameterError({ [slot]: 'unable to parse drive options' })
  const fault = importFault(slot, drive)
  if (fault !== undefined) throw parameterError({ [slot]: fault })
  if (isStrayPath(drive.file))
    throw parameterError({ [slot]: `unable to associate path '${drive.file}' to any storage` })
  if (/^(cdrom|none)$/.test(drive.file)) drive.options['media'] ??= 'cdrom'
  if (isIso(pve, drive) && drive.options['media'] !== 'cdrom')
    throw parameterError({ [slot]: "explicit 'media=cdrom' is required for iso images" })
  return drive
}

/**
 * Checks the drives of a request, without their volumes.
 * @returns `settings` with each drive as Proxmox writes it.
 * @throws {ApiError} 400 that names the slot; 500 for a volume id that its storage cannot have.
 */
export function checkDrives(pve: Pve, settings: VmConfig): VmConfig {
  const checked = { ...settings }
  for (const slot of Object.keys(settings).filter(isDriveSlot).sort())
    checked[slot] = formatDrive(checkDrive(pve, slot, settings[slot]!))
  return checked
}

/** Writes the line of `qemu-img create` for a new volume; undefined for a pool of block devices. */
export function formattingLine(pve: Pve, { volume }: NewVolume): string | undefined {
  if (!isFileBased(storageOf(pve, volume.storage))) return undefined
  const options: Record<string, string> = {
    raw: `size=${volume.size} preallocation=off`,
    qcow2: `cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib size=${volume.size} lazy_refcounts=off refcount_bits=16`,
    vmdk: `size=${volume.size} compat6=off hwversion=undefined subformat=monolithicSparse`,
  }
  return `Formatting '${volume.path}', fmt=${volume.format} ${options[volume.format]}`
}

interface Attaching {
  pve: Pve
  vmid: number
  /** The VM's config together with what was attached so far. */
  config: VmConfig
  created: NewVolume[]
  task: TaskContext
}

function sizeOf(config: VmConfig, slot: string, drive: Drive): number {
  if (slot === 'efidisk0') return efiSize(config, drive)
  return slot === 'tpmstate0' ? TPM_SIZE : newDiskOf(drive)!.bytes
}

async function importFromVolume(
  pve: Pve,
  source: string,
  target: { storage: string; vmid: number; format: string | undefined },
): Promise<NewVolume> {
  const id = parseVolumeId(source)!
  const { type } = parseVolumeName(storageOf(pve, id.storage), id.name)
  if (type !== 'import') {
    if (findVolume(pve, source)) return cloneVolume(pve, source, target)
    throw failure(`cannot import from '${source}' - could not get size of ${source}`)
  }
  const { path, format } = await requireFile(pve, source).catch(() => {
    throw failure(
      `failed to stat '${storageOf(pve, id.storage).path}/import/${id.name.replace('import/', '')}'`,
    )
  })
  return importVolume(pve, { ...target, format: target.format ?? format }, path)
}

async function makeDisk(
  { pve, vmid, config, task }: Attaching,
  slot: string,
  drive: Drive,
): Promise<NewVolume> {
  const { storage } = newDiskOf(drive)!
  const { 'import-from': source, format } = drive.options
  const target = { storage, vmid, format }
  if (source !== undefined)
    return parseVolumeId(source) ? importFromVolume(pve, source, target) : importVolume(pve, target, source)
  const created =
    slot === 'efidisk0'
      ? await createEfiVolume(pve, target, efiSize(config, drive), ovmfKindOf(config, drive))
      : await createVolume(pve, storage, vmid, sizeOf(config, slot, drive), format)
  const line = formattingLine(pve, created)
  if (line !== undefined) task.log(line)
  return created
}

/** Makes a disk. The config gets the size that was asked for; of an image or firmware it gets the true one. */
async function attachNewDisk(attaching: Attaching, slot: string, drive: Drive): Promise<Drive> {
  const { pve, config, created, task } = attaching
  const made = await makeDisk(attaching, slot, drive)
  created.push(made)
  if (isTemplate(config)) made.volid = renameToBase(pve, made.volid)
  const { 'import-from': source, format: _, ...options } = drive.options
  const isExact = source === undefined && slot !== 'efidisk0'
  const size = formatSize(isExact ? sizeOf(config, slot, drive) : made.volume.size)
  const attached = { file: made.volid, options: { ...options, size } }
  task.log(`${slot}: successfully created disk '${formatDrive(attached)}'`)
  return attached
}

function requireOnlyCloudInit(config: VmConfig, slot: string): void {
  const other = drivesOf(config).find(([key, each]) => key !== slot && isCloudInit(each))
  if (other) throw failure(`${slot} - cloud-init drive is already attached at '${other[0]}'`)
}

async function attachCloudInit(attaching: Attaching, slot: string, drive: Drive): Promise<Drive> {
  const { pve, vmid, config, created, task } = attaching
  requireOnlyCloudInit(config, slot)
  const { format, ...options } = drive.options
  const made = await createCloudInitVolume(pve, newCloudInitOf(drive)!, vmid, format)
  created.push(made)
  const line = formattingLine(pve, made)
  if (line !== undefined) task.log(line)
  const attached = { file: made.volid, options: { ...options, media: 'cdrom' } }
  task.log(`${slot}: successfully created disk '${formatDrive(attached)}'`)
  return attached
}

/** Checks a volume that is there, and returns the drive with its true size. */
async function attachExisting({ pve, config }: Attaching, slot: string, drive: Drive): Promise<Drive> {
  const id = parseVolumeId(drive.file)
  if (!id) throw failure(`volume ${drive.file} does not exist`)
  const { type, format } = parseVolumeName(storageOf(pve, id.storage), id.name)
  const wanted = drive.options['format']
  if (wanted !== undefined && wanted !== format)
    throw failure(
      `drive '${slot}' - volume '${drive.file}' - 'format=${wanted}' option different from storage format '${format}'`,
    )
  if (isCloudInit(drive)) requireOnlyCloudInit(config, slot)
  const { size } = type === 'iso' ? await requireFile(pve, drive.file) : volumeOf(pve, drive.file)
  return { ...drive, options: { ...drive.options, size: formatSize(size) } }
}

function attach(attaching: Attaching, slot: string, drive: Drive): Drive | Promise<Drive> {
  if (/^(none|cdrom)$/.test(drive.file)) {
    const { size: _, ...options } = drive.options
    return { ...drive, options }
  }
  if (newCloudInitOf(drive)) return attachCloudInit(attaching, slot, drive)
  if (newDiskOf(drive)) return attachNewDisk(attaching, slot, drive)
  return attachExisting(attaching, slot, drive)
}

/**
 * Makes the volumes that `settings` asks for. If one fails, removes the others.
 * @param settings options whose drives were checked.
 * @param config the VM's config.
 * @returns `settings` in which every drive names a volume.
 */
export async function attachDrives(
  pve: Pve,
  vmid: number,
  settings: VmConfig,
  config: VmConfig,
  task: TaskContext,
): Promise<VmConfig> {
  const attaching: Attaching = { pve, vmid, config: { ...config }, created: [], task }
  const attached = { ...settings }
  try {
    for (const slot of Object.keys(settings).filter(isDriveSlot).sort()) {
      attached[slot] = formatDrive(await attach(attaching, slot, readDrive(slot, settings[slot]!)!))
      attaching.config[slot] = attached[slot]
    }
  } catch (error) {
    await dropVolumes(pve, attaching.created)
    throw error
  }
  return attached
}
