/** Gives a disk to another VM of the same node (`move_disk` with `target-vmid`). */

import { failure, parameterError } from '../core/errors.mts'
import type { Caller } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm } from '../core/state.mts'
import type { TaskContext } from '../core/task.mts'
import { parseVolumeId } from '../storage/storages.mts'
import { hasFeature, renameToVm } from '../storage/volumes.mts'
import { bootWithout } from './boot-order.mts'
import { digestOfVm } from './conf-file.mts'
import { type Drive, formatDrive, isCdrom, isCloudInit, parseDrive } from './drive.mts'
import { isInSnapshot } from './move-disk.mts'
import { storedConfig } from './settings.mts'
import { updateVm } from './update.mts'
import { findVm, isRunning, isTemplate, requireUnlocked } from './vm.mts'

const LOCK_SECONDS = 10

interface Reassignment {
  vmid: number
  disk: string
  /** SHA-1 of the VM's config that the client has seen. */
  digest: string | undefined
  targetVmid: number
  targetDisk: string
  targetDigest: string | undefined
}

const MODIFIED = 'detected modified configuration - file changed by other user? Try again.'

function isUnusedKey(key: string): boolean {
  return /^unused\d+$/.test(key)
}

/** @param what prefix of the message. @throws {ApiError} if the config is not the one that the client has seen. */
export function requireUnmodified(vm: Vm, digest: string | undefined, what = ''): void {
  if (digest && digest !== digestOfVm(vm)) throw failure(`${what}${MODIFIED}`)
}

function requireBoth(pve: Pve, { vmid, targetVmid }: Reassignment): { source: Vm; target: Vm } {
  const { vms } = pve.store.state
  if (!vms[vmid]) throw failure(`could not find VM ${vmid}`)
  if (!vms[targetVmid]) throw failure(`could not find target VM ${targetVmid}`)
  const [here, there] = [vms[vmid].node, vms[targetVmid].node]
  if (here !== there) throw failure(`Both VMs need to be on the same node (${here} != ${there})`)
  const [source, target] = [findVm(pve, vmid), findVm(pve, targetVmid)]
  for (const vm of [source, target]) requireUnlocked(vm)
  if (isTemplate(source.config) || isTemplate(target.config))
    throw failure("Can't move disks from or to template VMs")
  return { source, target }
}

function requireDetachable(pve: Pve, source: Vm, disk: string, drive: Drive): void {
  const { vmid } = source
  if (isCdrom(drive) && !isCloudInit(drive)) throw failure("CD drive contents can't be moved to another VM")
  if (!parseVolumeId(drive.file)) throw failure(`Volume '${drive.file}' not managed by PVE`)
  if (isInSnapshot(source, drive.file)) throw failure("Can't move disk used by a snapshot to another VM")
  if (!hasFeature(pve, 'rename', drive.file))
    throw failure('Storage does not support moving of this disk to another VM')
  if (isRunning(pve, vmid) && !isUnusedKey(disk))
    throw failure('Cannot move disk to another VM while the source VM is running - detach first')
}

/** Checks it in the request, and again in the worker. @throws {ApiError} */
export function requireReassignable(pve: Pve, given: Reassignment): { source: Vm; drive: Drive } {
  const { vmid, disk, targetVmid, targetDisk } = given
  if (vmid === targetVmid)
    throw parameterError({ 'target-vmid': 'must be different than source VMID to reassign disk' })
  const { source, target } = requireBoth(pve, given)
  requireUnmodified(source, given.digest, `VM ${vmid}: `)
  requireUnmodified(target, given.targetDigest, `VM ${targetVmid}: `)
  const value = source.config[disk]
  if (value === undefined) throw failure(`Disk '${disk}' for VM '${vmid}' does not exist`)
  if (target.config[targetDisk] !== undefined)
    throw failure(`Target disk key '${targetDisk}' is already in use for VM '${targetVmid}'`)
  const drive = parseDrive(value)
  if (!drive) throw failure(`disk '${disk}' has no associated volume`)
  requireDetachable(pve, source, disk, drive)
  return { source, drive }
}

/** Takes the disk from its VM and renames the volume. Returns the new volume id. */
async function detach(pve: Pve, given: Reassignment, task: TaskContext): Promise<Drive> {
  const { vmid, disk, targetVmid, targetDisk } = given
  return pve.locks.exclusive(vmid, LOCK_SECONDS, () =>
    pve.locks.exclusive(targetVmid, LOCK_SECONDS, async () => {
      const { source, drive } = requireReassignable(pve, given)
      task.log(`reassign disk '${disk}' from VM '${vmid}' as '${targetDisk}' to VM '${targetVmid}'`)
      const file = renameToVm(pve, drive.file, targetVmid)
      const boot = bootWithout(source.config, disk)
      if (boot !== undefined) task.log(`removing disk '${disk}' from boot order config`)
      const { [disk]: _, ...rest } = source.config
      source.config = storedConfig(boot === undefined ? rest : { ...rest, boot })
      task.log(`removing disk '${disk}' from VM '${vmid}' config`)
      return { ...drive, file }
    }),
  )
}

/** Gives the disk to the other VM. Called in a worker. */
export async function reassignDisk(
  pve: Pve,
  caller: Caller,
  given: Reassignment,
  task: TaskContext,
): Promise<void> {
  const { targetVmid, targetDisk, targetDigest } = given
  const drive = await detach(pve, given, task)
  if (isUnusedKey(targetDisk)) {
    findVm(pve, targetVmid).config[targetDisk] = drive.file
    return
  }
  const set = { [targetDisk]: formatDrive(drive) }
  const nothing = {
    remove: [],
    revert: [],
    force: false,
    skiplock: false,
    shown: `-${targetDisk} ${set[targetDisk]}`,
  }
  await updateVm(pve, caller, { vmid: targetVmid, set, digest: targetDigest, ...nothing }, task)
}
