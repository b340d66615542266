/** Growing, moving and freeing a VM's disks, and turning them into a template's. */

import { DURATIONS } from '../core/durations.mts'
import { failure, parameterError } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { storageOf } from '../storage/storages.mts'
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

/** `+2G` grows by that much, `10G` grows to it. */
function newSize(current: number, wanted: string): number {
  const bytes = parseSize(wanted.replace(/^\+/, ''))!
  const size = wanted.startsWith('+') ? current + bytes : bytes
  if (size < current) throw failure('shrinking disks is not supported')
  return size
}

/** Grows a disk and writes its size into the config. */
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
    drive.options['size'] = formatSize(size)
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
  if (!storageOf(pve, storage).content.includes('images'))
    throw parameterError({ storage: `storage '${storage}' does not support vm images` })
}

/** Copies a disk to another storage and lets the VM use the copy; the original stays as `unusedN` by default. */
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
    const copy = await cloneVolume(pve, drive.file, { storage, vmid, format }, 'full')
    vm.config[disk] = formatDrive({ ...drive, file: copy.volid })
    if (options.remove) await freeVolume(pve, drive.file)
    else keepUnused(vm.config, drive.file)
  })
}

/** What a client is told before the worker: templates and running VMs cannot be converted. */
export function requireConvertible(pve: Pve, vmid: number): Vm {
  const vm = findVm(pve, vmid)
  requireUnlocked(vm)
  if (isTemplate(vm.config)) throw failure("you can't convert a template to a template")
  if (isRunning(pve, vmid)) throw failure("you can't convert a VM to template if VM is running")
  return vm
}

/** Makes a template of a stopped VM: its disks become bases. */
export async function convertToTemplate(pve: Pve, vmid: number): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = requireConvertible(pve, vmid)
    await pve.pause(DURATIONS.template)
    for (const [slot, drive] of drivesOf(vm.config))
      if (!isCdrom(drive)) vm.config[slot] = formatDrive({ ...drive, file: renameToBase(pve, drive.file) })
    vm.config['template'] = '1'
  })
}

/** Every volume that belongs to the VM, attached or not. */
function ownVolumes(pve: Pve, vmid: number): string[] {
  return Object.keys(pve.store.state.volumes).filter(volid => pve.store.state.volumes[volid]!.vmid === vmid)
}

function forgetVm(pve: Pve, vmid: number): void {
  const { access, vms } = pve.store.state
  delete vms[vmid]
  // Whoever gets the id next must not inherit what was granted on this VM.
  access.acl = access.acl.filter(entry => entry.path !== `/vms/${vmid}`)
  for (const pool of Object.values(access.pools)) pool.vms = pool.vms.filter(id => id !== vmid)
}

export function requireDestroyable(pve: Pve, vmid: number): Vm {
  const vm = findVm(pve, vmid)
  requireUnprotected(vm, `VM ${vmid}`)
  if (isRunning(pve, vmid)) throw failure(`VM ${vmid} is running - destroy failed`)
  return vm
}

interface Destroying {
  skiplock: boolean
  /** Volumes of the VMID that its config does not name go too. */
  unreferenced: boolean
}

/** Removes a stopped VM with its disks, its ACLs and its place in a pool. */
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
