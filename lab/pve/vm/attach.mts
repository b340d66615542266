/** Makes the volumes for drives that a client asks for. */

import { failure, parameterError } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import type { TaskContext } from '../core/task.mts'
import { requireFile } from '../storage/files.mts'
import { findVolume, parseVolumeId } from '../storage/storages.mts'
import {
  cloneVolume,
  createCloudInitVolume,
  createVolume,
  dropVolumes,
  importVolume,
  type NewVolume,
  volumeOf,
} from '../storage/volumes.mts'
import { type Drive, drivesOf, formatDrive, formatSize, isCdrom, isCloudInit, parseDrive } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'

const GIB = 1024 ** 3
/** Text for a new disk: `tank:32` means 32 GiB; `tank:0` with `import-from` means the size of the image. */
const NEW_DISK = /^([^/:\s]+):(\d+(?:\.\d+)?)$/

/** Reads the storage and size of a new disk; undefined for other drives. */
export function newDiskOf(drive: Drive): { storage: string; bytes: number } | undefined {
  const [, storage, gib] = NEW_DISK.exec(drive.file) ?? []
  return storage === undefined ? undefined : { storage, bytes: Math.round(Number(gib) * GIB) }
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

/** Checks a drive without reading a volume. @throws {ApiError} 400 that names the slot. */
export function requireSaneDrive(slot: string, drive: Drive): void {
  const wanted = newDiskOf(drive)
  if (drive.options['import-from'] !== undefined && wanted?.bytes !== 0)
    throw parameterError({
      [slot]: "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>",
    })
  if (/^[^:]+:iso\//.test(drive.file) && drive.options['media'] !== 'cdrom')
    throw parameterError({ [slot]: "explicit 'media=cdrom' is required for iso images" })
}

/** Makes a disk from an image. A volume gives its own format, a path does not. */
async function importImage(
  pve: Pve,
  target: { storage: string; vmid: number; format: string | undefined },
  source: string,
): Promise<NewVolume> {
  const id = parseVolumeId(source)
  if (!id) return importVolume(pve, target, source)
  if (findVolume(pve, source)) return cloneVolume(pve, source, target)
  const { path, format } = await requireFile(pve, source)
  return importVolume(pve, { ...target, format: target.format ?? format }, path)
}

async function attachNewDisk(pve: Pve, vmid: number, drive: Drive, task: TaskContext): Promise<NewVolume> {
  const { storage, bytes } = newDiskOf(drive)!
  const { 'import-from': source, format, ...options } = drive.options
  const created =
    source === undefined
      ? await createVolume(pve, storage, vmid, bytes, format)
      : await importImage(pve, { storage, vmid, format }, source)
  const size = formatSize(source === undefined ? bytes : created.volume.size)
  task.log(`successfully created disk '${created.volid},size=${size}'`)
  drive.file = created.volid
  drive.options = { ...options, size }
  return created
}

async function attachCloudInit(
  pve: Pve,
  vmid: number,
  config: VmConfig,
  slot: string,
  drive: Drive,
): Promise<NewVolume> {
  const other = drivesOf(config).find(([key, each]) => key !== slot && isCloudInit(each))
  if (other) throw failure(`${slot} - cloud-init drive is already attached at '${other[0]}'`)
  const { format, ...options } = drive.options
  const created = await createCloudInitVolume(pve, newCloudInitOf(drive)!, vmid, format)
  drive.file = created.volid
  drive.options = { ...options, media: 'cdrom', size: formatSize(created.volume.size) }
  return created
}

/** Sets the size in a drive's options to the true size of its volume. */
async function attachExisting(pve: Pve, drive: Drive): Promise<void> {
  if (!parseVolumeId(drive.file)) return
  const size =
    isCdrom(drive) && !isCloudInit(drive)
      ? (await requireFile(pve, drive.file)).size
      : volumeOf(pve, drive.file).size
  drive.options['size'] = formatSize(size)
}

/** Makes a drive's volume if necessary and returns the text for the config. Adds new volumes to `created`. */
async function attach(
  pve: Pve,
  vmid: number,
  config: VmConfig,
  slot: string,
  created: NewVolume[],
  task: TaskContext,
): Promise<string> {
  const drive = parseDrive(config[slot]!)!
  if (newDiskOf(drive)) created.push(await attachNewDisk(pve, vmid, drive, task))
  else if (newCloudInitOf(drive)) created.push(await attachCloudInit(pve, vmid, config, slot, drive))
  else await attachExisting(pve, drive)
  return formatDrive(drive)
}

/**
 * Makes the volumes that `settings` asks for. If one fails, removes the others.
 * @param config the VM's config together with `settings`.
 * @returns `settings` in which every drive names a volume.
 */
export async function attachDrives(
  pve: Pve,
  vmid: number,
  settings: VmConfig,
  config: VmConfig,
  task: TaskContext,
): Promise<VmConfig> {
  const created: NewVolume[] = []
  const attached = { ...settings }
  try {
    for (const slot of Object.keys(settings).filter(isDriveSlot))
      attached[slot] = await attach(pve, vmid, config, slot, created, task)
  } catch (error) {
    await dropVolumes(pve, created)
    throw error
  }
  return attached
}
