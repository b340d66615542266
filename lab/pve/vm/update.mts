/** Changes a VM's config. Changes that a running guest cannot take wait for its next start. */

import { failure, parameterError } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import type { TaskContext } from '../core/task.mts'
import { parseVolumeId } from '../storage/storages.mts'
import { freeVolume } from '../storage/volumes.mts'
import { attachDrives } from './attach.mts'
import { bootOrderOf, bootText } from './boot-order.mts'
import {
  requireBridges,
  requireDevices,
  requireDriveChange,
  requireTagPrivileges,
} from './change-permissions.mts'
import { memoryFormat } from './cpu-formats.mts'
import { isCdrom, isCloudInit, parseDrive } from './drive.mts'
import { isDriveSlot } from './drive-formats.mts'
import { isWindows, machineOf, requireClipboard, requireMachine } from './machine.mts'
import { addToPendingDelete, registerUnused, removeFromPendingDelete, settlePending } from './pending.mts'
import { uniqueTags, withHashedPassword } from './settings.mts'
import { findVm, requireDigest, requireUnlocked, requireUnprotected } from './vm.mts'

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
  /** Parameters as the task's log shows them. */
  shown: string
}

/** Checks that the memory is not smaller than what the balloon leaves. */
function requireBalloonFits(vm: Vm, set: VmConfig): void {
  if (set['memory'] === undefined && set['balloon'] === undefined) return
  const text = set['memory'] ?? vm.pending['memory'] ?? vm.config['memory'] ?? '512'
  const balloon = set['balloon'] ?? vm.pending['balloon'] ?? vm.config['balloon'] ?? '0'
  if (Number(balloon) > Number(parsePropertyString(memoryFormat, text)['current']))
    throw failure('balloon value too large (must be smaller than assigned memory)')
}

/** Finds the VM and checks that it can be changed now. Both the request and its worker do so. @throws {ApiError} */
export function loadForChange(pve: Pve, { vmid, digest, skiplock, set }: Change): Vm {
  const vm = findVm(pve, vmid)
  requireDigest(vm, digest)
  requireUnlocked(vm, skiplock)
  requireBalloonFits(vm, set)
  return vm
}

interface Changing {
  pve: Pve
  caller: Caller
  vm: Vm
  change: Change
  task: TaskContext
  /** Devices of the boot order, as drives come and go. */
  boot: string[] | undefined
  /** Options that the request names, also by way of others. */
  modified: Set<string>
}

function setBootOrder({ vm, modified }: Changing, devices: string[]): void {
  vm.pending['boot'] = bootText(devices)
  modified.add('boot')
}

async function removeUnused({ pve, caller, vm }: Changing, key: string, volid: string): Promise<void> {
  requireUnprotected(vm, `unused disk '${volid}'`)
  requireAll(caller, `/vms/${vm.vmid}`, 'VM.Config.Disk')
  if (pve.store.state.volumes[volid]?.vmid === vm.vmid) {
    requireAll(caller, `/storage/${parseVolumeId(volid)!.storage}`, 'Datastore.AllocateSpace')
    await freeVolume(pve, volid)
  }
  delete vm.config[key]
}

/** Checks what depends on the present value of an option that goes. @throws {ApiError} */
function requireRemovable({ pve, caller, vm }: Changing, key: string, value: string): void {
  if (isDriveSlot(key)) {
    requireUnprotected(vm, `drive '${key}'`)
    requireDriveChange(caller, vm.vmid, parseDrive(value)!)
  } else if (key === 'tags') requireTagPrivileges(caller, vm.vmid)
  else if (/^net\d+$/.test(key)) requireBridges(pve, caller, { [key]: value })
  else requireDevices(caller, { vmid: vm.vmid, pool: undefined }, { [key]: value })
}

async function stageRemoval(changing: Changing, key: string): Promise<void> {
  const { pve, vm, change, task, modified } = changing
  const value = vm.config[key] ?? vm.pending[key]
  if (value === undefined) return task.log(`cannot delete '${key}' - not set in current configuration!`)
  modified.add(key)
  if (/^unused\d+$/.test(key)) return removeUnused(changing, key, parseDrive(value)!.file)
  requireRemovable(changing, key, value)
  const waiting = vm.pending[key]
  delete vm.pending[key]
  if (changing.boot?.includes(key)) {
    changing.boot = changing.boot.filter(device => device !== key)
    setBootOrder(changing, changing.boot)
  }
  if (waiting !== undefined && isDriveSlot(key)) await registerUnused(pve, vm, waiting)
  if (key === 'tags') delete vm.config[key]
  else addToPendingDelete(vm, key, change.force)
}

/** Checks what depends on old and new value of an option. @throws {ApiError} */
function requireChangeable({ pve, caller, vm }: Changing, key: string, value: string): void {
  const before = vm.config[key]
  const target = { vmid: vm.vmid, pool: undefined }
  for (const each of [before, value].filter(text => text !== undefined)) {
    if (isDriveSlot(key)) requireDriveChange(caller, vm.vmid, parseDrive(each)!)
    else requireDevices(caller, target, { [key]: each })
  }
  if (key === 'tags') requireTagPrivileges(caller, vm.vmid)
  if (/^net\d+$/.test(key) && before !== undefined) requireBridges(pve, caller, { [key]: before })
  if (key === 'vga') requireClipboard(value)
  if (key === 'machine') requireMachine(value)
  if (key === 'tpmstate0') requireSameTpm(before, value)
}

function requireSameTpm(before: string | undefined, after: string): void {
  const [old, now] = [parseDrive(before ?? ''), parseDrive(after)!]
  if (old?.file !== now.file) return
  if ((old.options['version'] ?? 'v1.2') !== (now.options['version'] ?? 'v1.2'))
    throw failure('cannot change TPM state version after creation')
}

/** Enters a boot order. Each device of it must be there. It replaces an older option. @throws {ApiError} */
function stageBoot({ vm, change }: Changing, value: string): void {
  const devices = bootOrderOf({ boot: value })
  if (devices === undefined) {
    vm.pending['boot'] = value
    return
  }
  const has = (device: string): boolean =>
    [vm.config, vm.pending, change.set].some(config => config[device] !== undefined)
  const missing = devices.find(device => !has(device) || change.remove.includes(device))
  if (missing !== undefined) throw failure(`invalid bootorder: device '${missing}' does not exist'`)
  vm.pending['boot'] = bootText(devices)
  if (vm.config['bootdisk'] !== undefined) addToPendingDelete(vm, 'bootdisk', false)
}

/** Adds a new CD to the end of the boot order, so that the machine can start from it. */
function stageCd(changing: Changing, key: string, value: string): void {
  const drive = parseDrive(value)!
  if (!changing.boot || changing.boot.includes(key) || !isCdrom(drive) || isCloudInit(drive)) return
  changing.boot = [...changing.boot, key]
  setBootOrder(changing, changing.boot)
}

/** Windows keeps its machine: another type of system takes the present version. */
function stageOsType({ pve, vm, change, modified }: Changing, ostype: string): void {
  if (change.set['machine'] ?? vm.pending['machine'] ?? (modified.has('machine') || undefined)) return
  const machine = isWindows({ ostype }) ? machineOf(pve, { ...vm.config, ostype }) : undefined
  if (machine !== undefined) vm.pending['machine'] = machine
}

async function stageValue(changing: Changing, key: string, value: string): Promise<void> {
  const { pve, vm, modified } = changing
  modified.add(key)
  const waiting = vm.pending[key]
  if (waiting === value) return
  if (waiting !== undefined && isDriveSlot(key)) await registerUnused(pve, vm, waiting)
  if (key === 'boot') stageBoot(changing, value)
  else vm.pending[key] = key === 'tags' ? uniqueTags(value) : value
  if (key === 'ostype') stageOsType(changing, value)
  if (isDriveSlot(key)) stageCd(changing, key, value)
  removeFromPendingDelete(vm, key)
}

/** Drops waiting changes. A disk that waited stays as `unusedN`. */
async function revert({ pve, vm, change }: Changing): Promise<void> {
  for (const key of change.revert) {
    const waiting = vm.pending[key]
    delete vm.pending[key]
    removeFromPendingDelete(vm, key)
    if (waiting !== undefined && isDriveSlot(key)) await registerUnused(pve, vm, waiting)
  }
}

async function changeLocked(changing: Changing): Promise<void> {
  const { pve, vm, change, task } = changing
  task.log(`update VM ${vm.vmid}: ${change.shown}`)
  for (const [key, value] of Object.entries(change.set)) requireChangeable(changing, key, value)
  await revert(changing)
  for (const key of change.remove) await stageRemoval(changing, key)
  const wanted = isWindows(vm.config) ? change.set : withHashedPassword(change.set)
  const attached = await attachDrives(pve, vm.vmid, wanted, { ...vm.config, ...vm.pending }, task)
  for (const [key, value] of Object.entries(attached)) await stageValue(changing, key, value)
  const faults = await settlePending(pve, vm, changing.modified)
  if (Object.keys(faults).length > 0) throw parameterError(faults)
}

/** Locks the VM, makes new volumes, and changes the config. @throws {ApiError} */
export async function updateVm(pve: Pve, caller: Caller, change: Change, task: TaskContext): Promise<void> {
  await pve.locks.exclusive(change.vmid, LOCK_SECONDS, async () => {
    const vm = loadForChange(pve, change)
    await changeLocked({
      pve,
      caller,
      vm,
      change,
      task,
      boot: bootOrderOf(vm.config),
      modified: new Set(change.revert),
    })
  })
}
