/** Changes a VM's config. Changes that a running guest cannot take wait for its next start. */

import { failure, parameterError } from '../core/errors.mts'
import type { Caller } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import type { TaskContext } from '../core/task.mts'
import { freeVolume } from '../storage/volumes.mts'
import { attachDrives, resolveCdromAlias } from './attach.mts'
import { requireRemovals, requireSettings } from './change-permissions.mts'
import { isCdrom, isCloudInit, parseDrive } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'
import { addMacs } from './identity.mts'
import { isAppliedAtOnce } from './options.mts'
import { withHashedPassword } from './settings.mts'
import { findVm, isRunning, keepUnused, requireDigest, requireUnlocked, requireUnprotected } from './vm.mts'

const LOCK_SECONDS = 10

export interface Change {
  vmid: number
  set: VmConfig
  remove: string[]
  /** Digest of the config that the client has seen. The change fails if the config is newer. */
  digest: string | undefined
  /** Options whose waiting changes are dropped. */
  revert: string[]
  /** True: deletes removed disks. False: keeps them as `unusedN`. */
  force: boolean
  skiplock: boolean
}

/** Checks a change before any lock. @throws {ApiError} for an empty or contradictory change, or missing privileges. */
export function requireChange(pve: Pve, caller: Caller, change: Change): void {
  if (Object.keys(change.set).length + change.remove.length + change.revert.length === 0)
    throw failure('no options specified')
  const both = change.remove.find(key => change.set[key] !== undefined)
  if (both !== undefined)
    throw parameterError({ delete: `you can't use '-${both}' and -delete ${both}' at the same time` })
  const config = pve.store.state.vms[change.vmid]?.config ?? {}
  requireRemovals(caller, change.vmid, change.remove, config)
  requireSettings(pve, caller, { vmid: change.vmid, pool: undefined }, resolveCdromAlias(change.set))
}

/** Releases the volume of a slot. A disk stays as `unusedN` unless `force` is set, a cloud-init drive is deleted. */
async function releaseDrive(pve: Pve, vm: Vm, slot: string, force = false): Promise<void> {
  const drive = parseDrive(vm.config[slot] ?? '')
  const volume = drive && pve.store.state.volumes[drive.file]
  if (!drive || volume?.vmid !== vm.vmid) return
  if (isCloudInit(drive) || force) await freeVolume(pve, drive.file)
  else if (!isCdrom(drive)) keepUnused(vm.config, drive.file)
}

async function removeOption(pve: Pve, vm: Vm, key: string, force = false): Promise<void> {
  if (/^unused\d+$/.test(key)) await freeVolume(pve, parseDrive(vm.config[key]!)!.file)
  else if (isDriveSlot(key)) await releaseDrive(pve, vm, key, force)
  delete vm.config[key]
}

/** Removes the `unusedN` of a disk that is attached again. */
function forgetUnused(vm: Vm, value: string): void {
  const volid = parseDrive(value)?.file
  for (const key of Object.keys(vm.config))
    if (/^unused\d+$/.test(key) && vm.config[key] === volid) delete vm.config[key]
}

async function setOption(pve: Pve, vm: Vm, key: string, value: string): Promise<void> {
  const isOtherVolume = isDriveSlot(key) && parseDrive(vm.config[key] ?? '')?.file !== parseDrive(value)?.file
  if (isOtherVolume) await releaseDrive(pve, vm, key)
  if (isDriveSlot(key)) forgetUnused(vm, value)
  vm.config[key] = value
}

/** Applies the waiting changes. */
export async function applyPending(pve: Pve, vm: Vm): Promise<void> {
  for (const key of vm.pendingDelete) await removeOption(pve, vm, key)
  for (const [key, value] of Object.entries(vm.pending)) await setOption(pve, vm, key, value)
  vm.pending = {}
  vm.pendingDelete = []
}

/** Checks for a change of the CD in a drive, which a running machine allows. Other changes of drives must wait. */
function isMediaChange(vm: Vm, key: string, value: string): boolean {
  const before = parseDrive(vm.config[key] ?? '')
  const after = parseDrive(value)
  return before && after
    ? isCdrom(before) && isCdrom(after) && !isCloudInit(before) && !isCloudInit(after)
    : false
}

function postpone(vm: Vm, key: string, value: string | undefined): void {
  vm.pendingDelete = vm.pendingDelete.filter(each => each !== key)
  delete vm.pending[key]
  if (value === undefined) vm.pendingDelete.push(key)
  else if (vm.config[key] !== value) vm.pending[key] = value
}

function revert(vm: Vm, keys: string[]): void {
  for (const key of keys) delete vm.pending[key]
  vm.pendingDelete = vm.pendingDelete.filter(key => !keys.includes(key))
}

async function apply(pve: Pve, vm: Vm, { set, remove, force }: Change, task: TaskContext): Promise<void> {
  const running = isRunning(pve, vm.vmid)
  if (!running) await applyPending(pve, vm)
  for (const key of remove) {
    if (vm.config[key] === undefined && vm.pending[key] === undefined)
      task.warn(`cannot delete '${key}' - not set in current configuration!`)
    else if (running && !isAppliedAtOnce(key)) postpone(vm, key, undefined)
    else await removeOption(pve, vm, key, force)
  }
  for (const [key, value] of Object.entries(set)) {
    if (running && !isAppliedAtOnce(key) && !isMediaChange(vm, key, value)) postpone(vm, key, value)
    else await setOption(pve, vm, key, value)
  }
}

/** Refuses to remove drives and unused disks of a protected VM. */
function requireDrivesUnprotected(vm: Vm, remove: string[]): void {
  for (const key of remove) {
    const value = vm.config[key] ?? vm.pending[key]
    if (value === undefined) continue
    if (isDriveSlot(key)) requireUnprotected(vm, `drive '${key}'`)
    if (/^unused\d+$/.test(key)) requireUnprotected(vm, `unused disk '${parseDrive(value)!.file}'`)
  }
}

/** Locks the VM, checks the digest, makes new volumes, and changes the config. @throws {ApiError} */
export async function updateVm(pve: Pve, change: Change, task: TaskContext): Promise<void> {
  await pve.locks.exclusive(change.vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, change.vmid)
    requireDigest(vm, change.digest)
    requireUnlocked(vm, change.skiplock)
    requireDrivesUnprotected(vm, change.remove)
    const wanted = addMacs(resolveCdromAlias(withHashedPassword(change.set)))
    const kept = Object.fromEntries(Object.entries(vm.config).filter(([key]) => !change.remove.includes(key)))
    const attached = await attachDrives(pve, change.vmid, wanted, { ...kept, ...wanted }, task)
    revert(vm, change.revert)
    await apply(pve, vm, { ...change, set: attached }, task)
  })
}
