/** Clones of VMs. A full clone copies every disk, a linked one uses the disks of its template. */

import { onNode, requireNode } from '../core/cluster.mts'
import { failure, parameterError } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { requireSpace } from '../storage/access.mts'
import { parseVolumeId, requireForImages, storageOf } from '../storage/storages.mts'
import {
  cloneVolume,
  createCloudInitVolume,
  dropVolumes,
  linkVolume,
  type NewVolume,
} from '../storage/volumes.mts'
import { requireBridges } from './change-permissions.mts'
import { claimVmid, joinPool, releaseVmid } from './create.mts'
import { type Drive, drivesOf, formatDrive, isCdrom, isCloudInit } from './drive.mts'
import { withNewIdentity } from './identity.mts'
import { findVm, isRunning, isTemplate, requireUnlocked } from './vm.mts'

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
  /** Node for the clone if it differs from the source's. */
  target: string | undefined
}

/** Options that a clone does not get. */
const NOT_CLONED = new Set(['lock', 'template', 'protection', 'snapstate', 'parent', 'snaptime'])

function isFull(cloning: Cloning, config: VmConfig): boolean {
  return cloning.full ?? !isTemplate(config)
}

/** Checks the space for a copied drive. A cloud-init drive counts as a CD, which needs no privilege. */
function requireDriveSpace(pve: Pve, caller: Caller, drive: Drive, storage: string | undefined): void {
  if (drive.file === 'cdrom') requireAll(caller, '/', 'Sys.Console')
  else if (!isCdrom(drive)) requireSpace(pve, caller, storage ?? drive.file.split(':')[0]!)
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

/** Checks a clone: in the request, and again in the worker when it holds the locks. @throws {ApiError} */
export function requireCloneable(pve: Pve, caller: Caller, cloning: Cloning): Vm {
  const { storage, target } = cloning
  if (target !== undefined) requireNode(pve.store.state, target)
  if (storage !== undefined) requireCloneStorage(pve, storage, target)
  const source = findVm(pve, cloning.vmid)
  requireUnlocked(source)
  const full = isFull(cloning, source.config)
  if (!full && !isTemplate(source.config))
    throw parameterError({ full: 'Linked clone feature is not supported for a VM that is no template\n' })
  if (!full && storage !== undefined) throw failure("parameter 'storage' not allowed for linked clones")
  if (!full && cloning.format !== undefined) throw failure("parameter 'format' not allowed for linked clones")
  for (const [, drive] of drivesOf(source.config)) requireDriveSpace(pve, caller, drive, storage)
  requireBridges(caller, source.config)
  if (target !== undefined && !isOnSharedStorage(pve, source.config))
    throw failure(`can't clone VM to node '${target}' (VM uses local storage)`)
  if (pve.store.state.vms[cloning.newid]?.node === pve.node)
    throw failure(`unable to create VM ${cloning.newid}: config file already exists`)
  if (cloning.pool !== undefined) requireAll(caller, `/pool/${cloning.pool}`, 'VM.Allocate')
  return source
}

interface Copy {
  pve: Pve
  cloning: Cloning
  full: boolean
  created: NewVolume[]
  task: TaskContext
}

async function copyDrive(copy: Copy, slot: string, drive: Drive): Promise<string> {
  const { pve, cloning, full, created, task } = copy
  if (isCdrom(drive) && !isCloudInit(drive)) return formatDrive(drive)
  const storage = cloning.storage ?? drive.file.split(':')[0]!
  task.log(`create ${full ? 'full' : 'linked'} clone of drive ${slot} (${drive.file})`)
  const target = { storage, vmid: cloning.newid, format: cloning.format }
  const volume = isCloudInit(drive)
    ? await createCloudInitVolume(pve, storage, cloning.newid)
    : full
      ? await cloneVolume(pve, drive.file, target)
      : await linkVolume(pve, drive.file, cloning.newid)
  created.push(volume)
  const { format: _, ...options } = drive.options
  return formatDrive({ file: volume.volid, options })
}

async function copyConfig(copy: Copy, source: VmConfig): Promise<VmConfig> {
  const kept = Object.entries(source).filter(([key]) => !NOT_CLONED.has(key) && !/^unused\d+$/.test(key))
  const config = withNewIdentity(Object.fromEntries(kept))
  for (const [slot, drive] of drivesOf(source)) config[slot] = await copyDrive(copy, slot, drive)
  const { name, description, vmid } = copy.cloning
  config['name'] = name ?? `Copy-of-VM-${source['name'] ?? vmid}`
  if (description !== undefined) config['description'] = description
  return config
}

/** Refuses a VMID that exists, with the text of the cluster's file system. Only the worker notices that. */
function requireFreeInCluster(pve: Pve, vmid: number): void {
  const file = `/etc/pve/nodes/${pve.node}/qemu-server/${vmid}.conf`
  if (pve.store.state.vms[vmid]) throw failure(`close (rename) atomic file '${file}' failed: File exists`)
}

/** Claims the new VMID and copies into it. The caller holds both locks. */
async function cloneLocked(pve: Pve, caller: Caller, cloning: Cloning, task: TaskContext): Promise<void> {
  const source = requireCloneable(pve, caller, cloning)
  requireFreeInCluster(pve, cloning.newid)
  const copy: Copy = { pve, cloning, full: isFull(cloning, source.config), created: [], task }
  const target = claimVmid(pve, cloning.newid, 'clone')
  try {
    if (cloning.pool !== undefined) joinPool(pve, cloning.newid, cloning.pool)
    await pve.pause(copy.full ? DURATIONS.cloneFull : DURATIONS.cloneLinked)
    if (task.signal.aborted) throw failure('interrupted by signal')
    target.config = await copyConfig(copy, source.config)
    target.node = cloning.target ?? pve.node
  } catch (error) {
    await dropVolumes(pve, copy.created)
    releaseVmid(pve, cloning.newid)
    throw failure(`clone failed: ${(error as Error).message}`)
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
