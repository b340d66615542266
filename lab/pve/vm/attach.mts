/** Turns the drives a client asks for into volumes of the VM. */

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
  importVolume,
  type NewVolume,
  volumeOf,
} from '../storage/volumes.mts'
import {
  type Drive,
  drivesOf,
  formatDrive,
  formatSize,
  isCdrom,
  isCloudInit,
  isDriveSlot,
  parseDrive,
} from './drive.mts'

const GIB = 1024 ** 3
/** `tank:32` asks for a new disk of 32 GiB; `tank:0` with `import-from` for one as large as its image. */
const NEW_DISK = /^([^/:\s]+):(\d+(?:\.\d+)?)$/

export function newDiskOf(drive: Drive): { storage: string; bytes: number } | undefined {
  const [, storage, gib] = NEW_DISK.exec(drive.file) ?? []
  return storage === undefined ? undefined : { storage, bytes: Math.round(Number(gib) * GIB) }
}

/** `tank:cloudinit` asks for a cloud-init drive that is still to be made. */
export function newCloudInitOf(drive: Drive): string | undefined {
  return /^([^/:\s]+):cloudinit$/.exec(drive.file)?.[1]
}

/** A CD is the `cdrom` alias' meaning: the second IDE slot. */
export function resolveCdromAlias(settings: VmConfig): VmConfig {
  const { cdrom, ...rest } = settings
  if (!cdrom) return rest
  return { ...rest, ide2: cdrom.includes('media=') ? cdrom : `${cdrom},media=cdrom` }
}

/** What can be told without touching a volume; throws a 400 that names the slot. */
export function requireSaneDrive(slot: string, drive: Drive): void {
  const wanted = newDiskOf(drive)
  if (drive.options['import-from'] !== undefined && wanted?.bytes !== 0)
    throw parameterError({
      [slot]: "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>",
    })
  if (/^[^:]+:iso\//.test(drive.file) && drive.options['media'] !== 'cdrom')
    throw parameterError({ [slot]: "explicit 'media=cdrom' is required for iso images" })
}

async function importImage(pve: Pve, vmid: number, storage: string, source: string): Promise<NewVolume> {
  const id = parseVolumeId(source)
  if (!id) return importVolume(pve, storage, vmid, source)
  if (findVolume(pve, source)) return cloneVolume(pve, source, { storage, vmid }, 'full')
  const file = await requireFile(pve, source)
  return importVolume(pve, storage, vmid, file.path)
}

async function attachNewDisk(pve: Pve, vmid: number, drive: Drive, task: TaskContext): Promise<NewVolume> {
  const { storage, bytes } = newDiskOf(drive)!
  const { 'import-from': source, ...options } = drive.options
  const created =
    source === undefined
      ? await createVolume(pve, storage, vmid, bytes)
      : await importImage(pve, vmid, storage, source)
  task.log(`successfully created disk '${created.volid},size=${formatSize(created.volume.size)}'`)
  drive.file = created.volid
  drive.options = { ...options, size: formatSize(created.volume.size) }
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
  const created = await createCloudInitVolume(pve, newCloudInitOf(drive)!, vmid)
  drive.file = created.volid
  drive.options = { ...drive.options, media: 'cdrom', size: formatSize(created.volume.size) }
  return created
}

/** An existing volume keeps its true size, whatever the client wrote. */
async function attachExisting(pve: Pve, drive: Drive): Promise<void> {
  if (!parseVolumeId(drive.file)) return
  const size =
    isCdrom(drive) && !isCloudInit(drive)
      ? (await requireFile(pve, drive.file)).size
      : volumeOf(pve, drive.file).size
  drive.options['size'] = formatSize(size)
}

/** The config text of one drive once its volume exists. Volumes it makes are added to `created`. */
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

export interface Attached {
  /** The settings with every drive naming a volume. */
  settings: VmConfig
  created: NewVolume[]
  /** Removes what was made, when a later step fails. */
  undo(): Promise<void>
}

/** Makes the volumes `settings` asks for. `config` is the VM's config with them. */
export async function attachDrives(
  pve: Pve,
  vmid: number,
  settings: VmConfig,
  config: VmConfig,
  task: TaskContext,
): Promise<Attached> {
  const created: NewVolume[] = []
  const attached = { ...settings }
  const undo = async () => {
    for (const { volid, volume } of created) {
      await pve.driver.deleteDisk(volume.path)
      delete pve.store.state.volumes[volid]
    }
  }
  try {
    for (const slot of Object.keys(settings).filter(isDriveSlot))
      attached[slot] = await attach(pve, vmid, config, slot, created, task)
  } catch (error) {
    await undo()
    throw error
  }
  return { settings: attached, created, undo }
}
