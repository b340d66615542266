/** Resizes a VM's disks, and converts a VM to a template. */

import { dirname, join } from 'node:path'
import { failure } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { storageOf } from '../storage/storages.mts'
import { isFileBased } from '../storage/types.mts'
import { growVolume, hasFeature, isBase, renameToBase, volumeOf } from '../storage/volumes.mts'
import { type Drive, drivesOf, formatDrive, formatSize, isCdrom, parseDrive, parseSize } from './drive.mts'
import { findVm, isRunning, isTemplate, requireDigest, requireUnlocked } from './vm.mts'

const LOCK_SECONDS = 10

/** Finds a drive of a config. @throws {ApiError} if it is missing or empty. */
export function requireDisk(config: VmConfig, slot: string): Drive {
  const value = config[slot]
  if (value === undefined) throw failure(`disk '${slot}' does not exist`)
  const drive = parseDrive(value)
  if (!drive) throw failure(`disk '${slot}' has no associated volume`)
  return drive
}

/** Returns the new size in bytes. `+2G` adds 2 GiB, `10G` is the size itself. @throws {ApiError} for a smaller one. */
function newSize(current: number, wanted: string): number {
  const bytes = parseSize(wanted.replace(/^\+/, ''))!
  const size = Math.trunc(wanted.startsWith('+') ? current + bytes : bytes)
  if (size < current) throw failure('shrinking disks is not supported')
  return size
}

interface Resizing {
  vmid: number
  disk: string
  /** `10G` or `+2G`. */
  size: string
  digest: string | undefined
  skiplock: boolean
}

/** Refuses a base file, which Proxmox has made read-only, in the words of its tool. */
function requireWritable(pve: Pve, volid: string, size: number): void {
  const { storage, format, path } = volumeOf(pve, volid)
  if (!isBase(volid) || !isFileBased(storageOf(pve, storage))) return
  const preallocation = format === 'qcow2' ? 'metadata' : 'off'
  // The file has kept its former name here, not there.
  const shown = join(dirname(path), volid.split('/').at(-1)!)
  const command = `/usr/bin/qemu-img resize '--preallocation=${preallocation}' -f ${format} ${shown} ${size}`
  throw failure(`command '${command}' failed: exit code 1`)
}

async function resizeLocked(pve: Pve, caller: Caller, options: Resizing, task: TaskContext): Promise<void> {
  const vm = findVm(pve, options.vmid)
  requireDigest(vm, options.digest)
  requireUnlocked(vm, options.skiplock)
  const drive = requireDisk(vm.config, options.disk)
  if (isCdrom(drive)) throw failure("you can't resize a cdrom")
  const volume = volumeOf(pve, drive.file)
  requireAll(caller, `/storage/${volume.storage}`, 'Datastore.AllocateSpace')
  const size = newSize(volume.size, options.size)
  if (size === volume.size) return
  requireWritable(pve, drive.file, size)
  await growVolume(pve, drive.file, size)
  task.log('Image resized.')
  // Proxmox writes down what was asked for, also where its storage rounds up.
  drive.options['size'] = formatSize(size)
  vm.config[options.disk] = formatDrive(drive)
}

/** Grows a disk and updates its size in the config. Called in a worker, which checks the caller's privilege. */
export async function resizeDisk(
  pve: Pve,
  caller: Caller,
  options: Resizing,
  task: TaskContext,
): Promise<void> {
  await pve.locks.exclusive(options.vmid, LOCK_SECONDS, () => resizeLocked(pve, caller, options, task))
}

/** Checks in the request that a VM can become a template. @param disk only this disk, even of a template. @throws {ApiError} */
export function requireConvertible(pve: Pve, vmid: number, disk: string | undefined): Vm {
  const vm = findVm(pve, vmid)
  requireUnlocked(vm)
  if (Object.keys(vm.snapshots ?? {}).length > 0)
    throw failure('unable to create template, because VM contains snapshots')
  if (isTemplate(vm.config) && disk === undefined) throw failure("you can't convert a template to a template")
  if (isRunning(pve, vmid)) throw failure("you can't convert a VM to template if VM is running")
  return vm
}

/** Converts a stopped VM to a template. Its disks become bases. @param disk converts only this one. */
export async function convertToTemplate(pve: Pve, vmid: number, disk: string | undefined): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = requireConvertible(pve, vmid, disk)
    await pve.pause(DURATIONS.template)
    vm.config['template'] = '1'
    for (const [slot, drive] of drivesOf(vm.config)) {
      if (isCdrom(drive) || slot !== (disk ?? slot) || !hasFeature(pve, 'template', drive.file)) continue
      vm.config[slot] = formatDrive({ ...drive, file: renameToBase(pve, drive.file) })
    }
  })
}
