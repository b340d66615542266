/** Restores VMs from backups (`restore_vma_archive` in PVE/QemuServer.pm). */

import { randomUUID } from 'node:crypto'
import { lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { failure, textOf } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { createCloudInitVolume, restoreVolume } from '../storage/new-volumes.mts'
import { storageOf } from '../storage/storages.mts'
import { deleteVolumeSnapshot } from '../storage/volume-snapshots.mts'
import { dropVolumes, freeVolume, type NewVolume, renameToBase } from '../storage/volumes.mts'
import { diskFile, unpack } from './backup-archive.mts'
import { requireBridges } from './change-permissions.mts'
import { parseBackupText } from './conf-file.mts'
import { claimVmid, joinPool } from './create.mts'
import { type Drive, drivesOf, formatDrive, isCdrom, isCloudInit, parseDrive, parseSize } from './drive.mts'
import { withNewIdentity } from './identity.mts'
import { startVm } from './power.mts'
import { snapshotDisks } from './snapshot-parts.mts'
import { findVm, isRunning, isTemplate, keepUnused, requireUnlocked } from './vm.mts'

const LOCK_SECONDS = 1

export interface Restoring {
  vmid: number
  /** Absolute path of the backup. */
  archive: string
  /** Storage for all disks. Undefined: those that the backup names. */
  storage: string | undefined
  pool: string | undefined
  /** True: gives new MAC addresses and a new UUID. */
  unique: boolean
  start: boolean
  /** Options that replace those of the backup. */
  settings: VmConfig
}

/**
 * Claims the VMID in the request. @param force takes that of a VM that is there.
 * @throws {ApiError} if it is taken, or if the VM is locked.
 */
export function claimForRestore(pve: Pve, vmid: number, force: boolean): void {
  const fault = `unable to restore VM ${vmid} -`
  const other = pve.store.state.vms[vmid]
  if (!other) {
    claimVmid(pve, vmid, 'create')
    return
  }
  if (!force || other.node !== pve.node)
    throw failure(`${fault} VM ${vmid} already exists on node '${other.node}'`)
  try {
    requireUnlocked(other)
  } catch (error) {
    throw failure(`${fault} ${textOf(error)}`)
  }
  other.config['lock'] = 'create'
}

interface Wanted {
  slot: string
  storage: string
  format: string
}

/** Reads where the disks belong. */
function wantedDisks(text: string, storage: string | undefined): Wanted[] {
  return [...text.matchAll(/^#qmdump#map:(\S+?):\S+?:(\S*?):(\S*?):$/gm)].map(([, slot, from, format]) => ({
    slot: slot!,
    storage: storage ?? (from || 'local'),
    format: format || 'raw',
  }))
}

function requireTarget(pve: Pve, caller: Caller, storage: string): void {
  if (!storageOf(pve, storage).content.includes('images'))
    throw failure(`Content type 'images' is not available on storage '${storage}'`)
  if (caller.authid !== 'root@pam') requireAll(caller, `/storage/${storage}`, 'Datastore.AllocateSpace')
}

/** Deletes the disks that come back, and all snapshots. Other disks of the VM stay. @returns those. */
async function clearOld(pve: Pve, vm: Vm, slots: string[]): Promise<string[]> {
  const own = drivesOf(vm.config).filter(
    ([, drive]) =>
      !(isCdrom(drive) && !isCloudInit(drive)) && pve.store.state.volumes[drive.file]?.vmid === vm.vmid,
  )
  const kept = own.filter(([slot, drive]) => !slots.includes(slot) && !isCloudInit(drive))
  for (const [name, { config }] of Object.entries(vm.snapshots ?? {})) {
    if (config['vmstate'] !== undefined) await freeVolume(pve, config['vmstate'])
    for (const [, volid] of snapshotDisks(config))
      if (kept.some(([, drive]) => drive.file === volid)) await deleteVolumeSnapshot(pve, volid, name)
  }
  for (const [slot, drive] of own)
    if (!kept.some(([each]) => each === slot)) await freeVolume(pve, drive.file)
  return kept.map(([, drive]) => drive.file)
}

/** Makes the volume of each disk, and of the cloud-init drive, from the backup. */
async function restoreDisks(
  pve: Pve,
  { vmid, storage }: Restoring,
  config: VmConfig,
  { wanted, folder, created, task }: Contents & { created: NewVolume[] },
): Promise<VmConfig> {
  const drives: VmConfig = {}
  const attach = (slot: string, made: NewVolume, drive: Drive): void => {
    created.push(made)
    task.log(`new volume ID is '${made.volid}'`)
    const { format: _, ...options } = drive.options
    drives[slot] = formatDrive({ file: made.volid, options })
  }
  for (const { slot, storage: target, format } of wanted) {
    const drive = parseDrive(config[slot]!)!
    const size = parseSize(drive.options['size'] ?? '0') ?? 0
    const file = diskFile(folder, slot)
    // A link would lead out of the archive.
    if (!(await lstat(file)).isFile()) throw failure(`archive does not contain data for drive '${slot}'`)
    attach(slot, await restoreVolume(pve, { storage: target, vmid, format }, file, size), drive)
  }
  for (const [slot, drive] of drivesOf(config).filter(([, each]) => isCloudInit(each)))
    attach(slot, await createCloudInitVolume(pve, storage ?? drive.file.split(':')[0]!, vmid), drive)
  return drives
}

/** Returns the options of the backup for this VM. A drive that was left out of the backup is left out here, too. */
function restoredConfig(config: VmConfig, drives: VmConfig, { unique, settings }: Restoring): VmConfig {
  const kept = Object.entries(config).filter(([, value]) => !/(?:^|,)backup=0(?:,|$)/.test(value))
  const base = { ...Object.fromEntries(kept), ...drives }
  const identity = unique ? withNewIdentity(base) : base
  const vmgenid = (config['vmgenid'] ?? '0') === '0' ? {} : { vmgenid: randomUUID() }
  return { ...identity, ...vmgenid, ...settings }
}

async function restoreFrom(
  pve: Pve,
  caller: Caller,
  restoring: Restoring,
  folder: string,
  task: TaskContext,
): Promise<void> {
  task.log(`restore vma archive: ${restoring.archive}`)
  const text = await unpack(restoring.archive, folder)
  const config = parseBackupText(text)
  const wanted = wantedDisks(text, restoring.storage)
  requireBridges(pve, caller, { ...config, ...restoring.settings })
  for (const { storage } of wanted) requireTarget(pve, caller, storage)
  await pve.pause(DURATIONS.moveDisk)
  await replaceVm(pve, restoring, config, { wanted, folder, task })
}

interface Contents {
  wanted: Wanted[]
  /** Folder of the unpacked archive. */
  folder: string
  task: TaskContext
}

/** Puts the VM of the backup in the place of what the VMID has. If that fails, its new disks are removed. */
async function replaceVm(
  pve: Pve,
  restoring: Restoring,
  config: VmConfig,
  contents: Contents,
): Promise<void> {
  const vm = findVm(pve, restoring.vmid)
  const slots = contents.wanted.map(({ slot }) => slot)
  const kept = await clearOld(pve, vm, slots)
  const created: NewVolume[] = []
  try {
    const drives = await restoreDisks(pve, restoring, config, { ...contents, created })
    vm.config = restoredConfig(config, drives, restoring)
  } catch (error) {
    await dropVolumes(pve, created)
    throw error
  }
  vm.pending = {}
  vm.pendingDelete = []
  delete vm.snapshots
  for (const volid of kept) keepUnused(vm.config, volid)
  if (isTemplate(vm.config)) makeTemplate(pve, vm)
}

/** Makes bases of the disks of a restored template. */
function makeTemplate(pve: Pve, vm: Vm): void {
  for (const [slot, drive] of drivesOf(vm.config))
    if (!isCdrom(drive)) vm.config[slot] = formatDrive({ ...drive, file: renameToBase(pve, drive.file) })
}

function requireReplaceable(pve: Pve, vmid: number): void {
  const fault = `unable to restore VM ${vmid} -`
  if (findVm(pve, vmid).config['protection'] === '1') throw failure(`${fault} - protection mode enabled`)
  if (isRunning(pve, vmid)) throw failure(`${fault} vm is running`)
}

/** Restores a VM whose VMID is claimed. Called in a worker. After a failure, what is there stays. */
export async function restoreVm(
  pve: Pve,
  caller: Caller,
  restoring: Restoring,
  task: TaskContext,
): Promise<void> {
  const { vmid, pool, start } = restoring
  const folder = join(pve.dataDir, 'uploads', `vzdumptmp_restore_${vmid}`)
  try {
    requireReplaceable(pve, vmid)
    await pve.locks.exclusive(vmid, LOCK_SECONDS, () => restoreFrom(pve, caller, restoring, folder, task))
  } catch (error) {
    delete pve.store.state.vms[vmid]?.config['lock']
    task.log('error before or during data restore, some or all disks were not completely restored.')
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  if (pool !== undefined) joinPool(pve, vmid, pool)
  if (start) await startAfterwards(pve, caller, vmid, task)
}

async function startAfterwards(pve: Pve, caller: Caller, vmid: number, task: TaskContext): Promise<void> {
  task.log('Execute autostart')
  const work = (starting: TaskContext): Promise<void> => startVm(pve, vmid, starting)
  await pve.tasks.start({ type: 'qmstart', id: String(vmid), authid: caller.authid, work })
}
