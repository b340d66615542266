/** Resizes, moves and deletes a VM's disks, and converts a VM to a template. */

import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS } from '../core/task.mts'
import { requireForImages } from '../storage/storages.mts'
import {
  cloneVolume,
  freeVolume,
  growVolume,
  isBaseInUse,
  renameToBase,
  volumeOf,
} from '../storage/volumes.mts'
import { type Drive, drivesOf, formatDrive, formatSize, isCdrom, parseDrive, parseSize } from './drive.mts'
import {
  findVm,
  isRunning,
  isTemplate,
  keepUnused,
  leavePools,
  requireDigest,
  requireUnlocked,
  requireUnprotected,
} from './vm.mts'

const LOCK_SECONDS = 10

function requireDisk(config: VmConfig, slot: string): Drive {
  const value = config[slot]
  if (value === undefined) throw failure(`disk '${slot}' does not exist`)
  const drive = parseDrive(value)
  if (!drive) throw failure(`disk '${slot}' has no associated volume`)
  return drive
}

/** Returns the new size in bytes. `+2G` adds 2 GiB, `10G` is the size itself. @throws {ApiError} for a smaller one. */
function newSize(current: number, wanted: string): number {
  const bytes = parseSize(wanted.replace(/^\+/, ''))!
  const size = wanted.startsWith('+') ? current + bytes : bytes
  if (size < current) throw failure('shrinking disks is not supported')
  return size
}

/** Grows a disk and updates its size in the config. */
export async function resizeDisk(
  pve: Pve,
  options: { vmid: number; disk: string; size: string; digest: string | undefined },
): Promise<void> {
  await pve.locks.exclusive(options.vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, options.vmid)
    requireDigest(vm, options.digest)
    requireUnlocked(vm)
    const drive = requireDisk(vm.config, options.disk)
    if (isCdrom(drive)) throw failure("you can't resize a cdrom")
    const volume = volumeOf(pve, drive.file)
    const size = newSize(volume.size, options.size)
    if (size === volume.size) return
    await growVolume(pve, drive.file, size)
    drive.options['size'] = formatSize(volume.size)
    vm.config[options.disk] = formatDrive(drive)
  })
}

export function requireMovable(pve: Pve, vmid: number, disk: string, storage: string): void {
  const vm = findVm(pve, vmid)
  requireUnlocked(vm)
  const drive = requireDisk(vm.config, disk)
  if (isCdrom(drive)) throw failure("you can't move a cdrom")
  if (drive.file.startsWith(`${storage}:`))
    throw failure("you can't move to the same storage with same format")
  requireForImages(pve, storage)
}

/** Copies a disk to another storage and attaches the copy. The original stays as `unusedN` unless `remove` is set. */
export async function moveDisk(
  pve: Pve,
  options: { vmid: number; disk: string; storage: string; format: string | undefined; remove: boolean },
): Promise<void> {
  const { vmid, disk, storage, format } = options
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    requireMovable(pve, vmid, disk, storage)
    const vm = findVm(pve, vmid)
    const drive = requireDisk(vm.config, disk)
    await pve.pause(DURATIONS.moveDisk)
    const copy = await cloneVolume(pve, drive.file, { storage, vmid, format })
    const { format: _, ...kept } = drive.options
    vm.config[disk] = formatDrive({ file: copy.volid, options: kept })
    if (options.remove) await freeVolume(pve, drive.file)
    else keepUnused(vm.config, drive.file)
  })
}

/** Checks in the request that a VM can become a template. @throws {ApiError} if it is one, or runs. */
export function requireConvertible(pve: Pve, vmid: number): Vm {
  const vm = findVm(pve, vmid)
  requireUnlocked(vm)
  if (isTemplate(vm.config)) throw failure("you can't convert a template to a template")
  if (isRunning(pve, vmid)) throw failure("you can't convert a VM to template if VM is running")
  return vm
}

/** Converts a stopped VM to a template. Its disks become bases. */
export async function convertToTemplate(pve: Pve, vmid: number): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = requireConvertible(pve, vmid)
    await pve.pause(DURATIONS.template)
    for (const [slot, drive] of drivesOf(vm.config))
      if (!isCdrom(drive)) vm.config[slot] = formatDrive({ ...drive, file: renameToBase(pve, drive.file) })
    vm.config['template'] = '1'
  })
}

/** Lists all volumes of a VM, attached or not. */
function ownVolumes(pve: Pve, vmid: number): string[] {
  return Object.keys(pve.store.state.volumes).filter(volid => pve.store.state.volumes[volid]!.vmid === vmid)
}

function forgetVm(pve: Pve, vmid: number): void {
  const { access, vms } = pve.store.state
  delete vms[vmid]
  // A later VM with this VMID must not get the permissions of this one.
  access.acl = access.acl.filter(entry => entry.path !== `/vms/${vmid}`)
  leavePools(pve, vmid)
}

export function requireDestroyable(pve: Pve, vmid: number): Vm {
  const vm = findVm(pve, vmid)
  requireUnprotected(vm, `VM ${vmid}`)
  if (isRunning(pve, vmid)) throw failure(`VM ${vmid} is running - destroy failed`)
  return vm
}

interface Destroying {
  skiplock: boolean
  /** True: also deletes volumes of the VMID that its config does not name. */
  unreferenced: boolean
}

/** Deletes a stopped VM with its disks and ACLs, and removes it from its pool. */
export async function destroyVm(
  pve: Pve,
  vmid: number,
  { skiplock, unreferenced }: Destroying,
): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = requireDestroyable(pve, vmid)
    requireUnlocked(vm, skiplock)
    const named = Object.values(vm.config).map(value => value.split(',')[0])
    const volumes = ownVolumes(pve, vmid).filter(volid => unreferenced || named.includes(volid))
    const needed = volumes.find(volid => isBaseInUse(pve, volid))
    if (needed) throw failure(`base volume '${needed}' is still in use by linked cloned`)
    await pve.pause(DURATIONS.destroy)
    for (const volid of volumes) await freeVolume(pve, volid)
    forgetVm(pve, vmid)
  })
}
