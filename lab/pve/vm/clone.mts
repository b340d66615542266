/** Clones of VMs. A full clone copies every disk, a linked one uses the disks of its template. */

import { onNode, requireNode } from '../core/cluster.mts'
import { failure, textOf } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { cloneVmFirewall } from '../firewall/conf.mts'
import { cloneVolume, createCloudInitVolume, linkVolume } from '../storage/new-volumes.mts'
import { parseVolumeId, requireForImages, storageOf } from '../storage/storages.mts'
import { dropVolumes, hasFeature, type NewVolume } from '../storage/volumes.mts'
import { formattingLine } from './attach.mts'
import { requireBridges } from './change-permissions.mts'
import { claimVmid, joinPool, releaseVmid, requirePool } from './create.mts'
import { type Drive, drivesOf, formatDrive, formatSize, isCdrom, isCloudInit } from './drive.mts'
import { withNewIdentity } from './identity.mts'
import { requireSnapshot } from './snapshot-parts.mts'
import { findVm, isRunning, isTemplate, requireConfigFile, requireUnlocked } from './vm.mts'
import { withoutState } from './vm-state.mts'

/** Wait for each of the two locks. A second clone of a running VM fails if the first takes longer. */
const LOCK_SECONDS = 1

export interface Cloning {
  vmid: number
  newid: number
  name: string | undefined
  description: string | undefined
  /** Undefined: linked for a template, otherwise full. */
  full: boolean | undefined
  storage: string | undefined
  /** Format of the copied disks. Undefined: the default of the storage. */
  format: string | undefined
  pool: string | undefined
  /** Snapshot to copy instead of the VM as it is. */
  snapname: string | undefined
  /** Node for the clone if it differs from the source's. */
  target: string | undefined
}

/** Options that a clone does not get. */
const NOT_CLONED = /^(lock|template|snapstate|parent|snaptime|unused\d+)$/

function isFull(cloning: Cloning, config: VmConfig): boolean {
  return cloning.full ?? !isTemplate(config)
}

/** Checks the space for a copied drive. A cloud-init drive counts as a CD, which needs no privilege. */
function requireDriveSpace(caller: Caller, drive: Drive, storage: string | undefined): void {
  if (drive.file === 'cdrom') requireAll(caller, '/', 'Sys.Console')
  else if (!isCdrom(drive))
    requireAll(caller, `/storage/${storage ?? drive.file.split(':')[0]}`, 'Datastore.AllocateSpace')
}

/** Checks that all volumes, even CDs, are on shared storages. */
function isOnSharedStorage(pve: Pve, config: VmConfig): boolean {
  return drivesOf(config).every(([, { file }]) => {
    const id = parseVolumeId(file)
    return id === undefined || storageOf(pve, id.storage).shared === true
  })
}

/** Checks the storage for the copies: it accepts disks, and it is shared if the clone goes to another node. */
function requireCloneStorage(pve: Pve, id: string, target: string | undefined): void {
  requireForImages(pve, id)
  if (target === undefined) return
  if (!storageOf(onNode(pve, target), id).shared) throw failure(`can't clone to non-shared storage '${id}'`)
}

function requireCloneAccess(pve: Pve, caller: Caller, config: VmConfig, storage: string | undefined): void {
  for (const [, drive] of drivesOf(config)) requireDriveSpace(caller, drive, storage)
  if (config['vmstatestorage'] !== undefined)
    requireAll(caller, `/storage/${config['vmstatestorage']}`, 'Datastore.AllocateSpace')
  requireBridges(pve, caller, config)
}

/** Checks that the storage of each disk can do it. @throws {ApiError} that names the first one that cannot. */
function requireCopyable(pve: Pve, { vmid, snapname }: Cloning, config: VmConfig, full: boolean): void {
  const ofSnapshot = snapname === undefined ? '' : ' a snapshot of'
  for (const [slot, drive] of drivesOf(config)) {
    if (isCdrom(drive) && !isCloudInit(drive)) continue
    if (full && slot === 'tpmstate0' && snapname === undefined && isRunning(pve, vmid))
      throw failure('cannot clone TPM state while VM is running')
    const copies = full || isCloudInit(drive) || slot === 'tpmstate0'
    if (!hasFeature(pve, copies ? 'copy' : 'clone', drive.file, ofSnapshot === '' ? undefined : 'snap'))
      throw failure(
        `${copies ? 'Full' : 'Linked'} clone feature is not supported for${ofSnapshot} '${drive.file}' (${slot})`,
      )
  }
}

interface Source {
  /** Options to copy: those of the VM or of a snapshot. */
  config: VmConfig
  full: boolean
}

/** Checks a clone: in the request, and again in the worker when it holds the locks. @throws {ApiError} */
export function requireCloneable(pve: Pve, caller: Caller, cloning: Cloning): Source {
  const { storage, target, snapname, vmid, newid } = cloning
  requireConfigFile(pve, vmid)
  requirePool(pve, cloning.pool)
  if (target !== undefined) requireNode(pve.store.state, target)
  if (storage !== undefined) requireCloneStorage(pve, storage, target)
  const vm = findVm(pve, vmid)
  requireUnlocked(vm)
  const config = snapname === undefined ? vm.config : requireSnapshot(vm, snapname).config
  const full = isFull(cloning, vm.config)
  if (!full && storage !== undefined) throw failure("parameter 'storage' not allowed for linked clones")
  if (!full && cloning.format !== undefined) throw failure("parameter 'format' not allowed for linked clones")
  requireCloneAccess(pve, caller, config, storage)
  if (target !== undefined && !isOnSharedStorage(pve, config))
    throw failure(`can't clone VM to node '${target}' (VM uses local storage)`)
  if (pve.store.state.vms[newid]?.node === pve.node)
    throw failure(`unable to create VM ${newid}: config file already exists`)
  requireCopyable(pve, cloning, config, full)
  return { config, full }
}

interface Copy extends Source {
  pve: Pve
  cloning: Cloning
  created: NewVolume[]
  task: TaskContext
}

/** Copies a disk. Warns of a format that the storage does not know. */
async function copyDisk({ pve, cloning, task }: Copy, drive: Drive): Promise<NewVolume> {
  const { storage = drive.file.split(':')[0]!, newid, format, snapname } = cloning
  const made = await cloneVolume(pve, drive.file, { storage, vmid: newid, format }, snapname)
  if (format !== undefined && format !== made.volume.format)
    task.log(
      `format '${format}' is not supported by the target storage '${storage}' - using '${made.volume.format}' instead`,
    )
  return made
}

/** Logs a copy as Proxmox and its tools do. A cloud-init drive has no content to copy. */
function logCopy({ pve, task }: Copy, drive: Drive, made: NewVolume): void {
  const formatting = formattingLine(pve, made)
  if (formatting !== undefined) task.log(formatting)
  task.log(`allocated target volume '${made.volid}'`)
  if (isCloudInit(drive)) return
  const size = readableSize(made.volume.size)
  task.log(`transferred 0.0 B of ${size} (0.00%)`)
  task.log(`transferred ${size} of ${size} (100.00%)`)
  task.log(`transferred ${size} of ${size} (100.00%)`)
}

/** Returns a size with one decimal place, as `1.5 GiB`. */
function readableSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}

async function copyDrive(copy: Copy, slot: string, drive: Drive): Promise<string> {
  const { pve, cloning, created, task } = copy
  if (isCdrom(drive) && !isCloudInit(drive)) return formatDrive(drive)
  const full = copy.full || isCloudInit(drive) || slot === 'tpmstate0'
  task.log(`create ${full ? 'full' : 'linked'} clone of drive ${slot} (${drive.file})`)
  const made = isCloudInit(drive)
    ? await createCloudInitVolume(pve, cloning.storage ?? drive.file.split(':')[0]!, cloning.newid)
    : full
      ? await copyDisk(copy, drive)
      : await linkVolume(pve, drive.file, cloning.newid)
  created.push(made)
  if (full) logCopy(copy, drive, made)
  const { format: _, ...options } = drive.options
  return formatDrive({ file: made.volid, options: { ...options, size: formatSize(made.volume.size) } })
}

async function copyConfig(copy: Copy): Promise<VmConfig> {
  const kept = Object.entries(withoutState(copy.config)).filter(([key]) => !NOT_CLONED.test(key))
  const config = withNewIdentity(Object.fromEntries(kept))
  const drives = drivesOf(copy.config).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [slot, drive] of drives) config[slot] = await copyDrive(copy, slot, drive)
  const { name, description, vmid } = copy.cloning
  config['name'] = name ?? `Copy-of-VM-${copy.config['name'] ?? vmid}`
  if (description) config['description'] = description
  return config
}

/** Refuses a VMID that exists, with the text of the cluster's file system. Only the worker notices that. */
function requireFreeInCluster(pve: Pve, vmid: number): void {
  const file = `/etc/pve/nodes/${pve.node}/qemu-server/${vmid}.conf`
  if (pve.store.state.vms[vmid]) throw failure(`close (rename) atomic file '${file}' failed: File exists`)
}

/** Claims the new VMID and copies into it. The caller holds both locks. */
async function cloneLocked(pve: Pve, caller: Caller, cloning: Cloning, task: TaskContext): Promise<void> {
  const { newid, vmid, pool } = cloning
  const source = requireCloneable(pve, caller, cloning)
  task.log(`creating a clone of VM ${vmid} with ID ${newid}`)
  requireFreeInCluster(pve, newid)
  const copy: Copy = { ...source, pve, cloning, created: [], task }
  const target = claimVmid(pve, newid, 'clone')
  try {
    await pve.pause(copy.full ? DURATIONS.cloneFull : DURATIONS.cloneLinked)
    if (task.signal.aborted) throw failure('interrupted by signal')
    target.config = await copyConfig(copy)
    cloneVmFirewall(pve, vmid, newid)
    target.node = cloning.target ?? pve.node
    if (pool !== undefined) joinPool(pve, newid, pool)
  } catch (error) {
    await dropVolumes(pve, copy.created)
    releaseVmid(pve, newid)
    throw failure(`clone failed: ${textOf(error)}`)
  }
}

/** Runs the worker. It takes the new VMID only here: of two clones to one VMID, the second fails here. */
export async function cloneVm(pve: Pve, caller: Caller, cloning: Cloning, task: TaskContext): Promise<void> {
  await pve.pause(DURATIONS.cloneFork)
  const lockSource = isRunning(pve, cloning.vmid) ? pve.locks.exclusive : pve.locks.shared
  await lockSource(cloning.vmid, LOCK_SECONDS, () =>
    pve.locks.exclusive(cloning.newid, LOCK_SECONDS, () => cloneLocked(pve, caller, cloning, task)),
  )
}
