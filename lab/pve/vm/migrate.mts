/** Migrates a VM to another node. Disks on shared storages stay, a node's own disks are copied. */

import { isAvailableOn, onNode, requireNode } from '../core/cluster.mts'
import { failure, parameterError } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { Vm, Volume } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { type Relocation, relocate } from '../storage/relocate.mts'
import { requireRoomForAll } from '../storage/space.mts'
import { findVolume, parseVolumeId, storageOf } from '../storage/storages.mts'
import { isBaseInUse, volumeOf } from '../storage/volumes.mts'
import { type Drive, drivesOf, formatDrive, isCdrom, parseDrive } from './drive.mts'
import { findVm, isRunning, requireUnlocked } from './vm.mts'

/** Wait of Proxmox for another migration of the same guest. */
const LOCK_SECONDS = 10

interface Migration {
  vmid: number
  target: string
  online: boolean
  /** `store`, `from:to,...`, or `1`: each volume stays on the storage of the same name. Undefined means `1`. */
  targetstorage: string | undefined
}

/** Returns a function from each storage to its target storage. */
function storageMap(targetstorage: string | undefined): (storage: string) => string {
  const entries = (targetstorage ?? '1').split(',').map(entry => entry.split(':'))
  const named = new Map(entries.filter(entry => entry.length === 2) as [string, string][])
  const all = entries.find(entry => entry.length === 1)?.[0]
  return storage => named.get(storage) ?? (all === undefined || all === '1' ? storage : all)
}

/** Lists all drives, attached and unused. */
function allDrives(vm: Vm): [key: string, drive: Drive][] {
  return [
    ...drivesOf(vm.config),
    ...Object.entries(vm.config).flatMap(([key, value]): [string, Drive][] =>
      /^unused\d+$/.test(key) ? [[key, parseDrive(value)!]] : [],
    ),
  ]
}

function requireTargetStorage(there: Pve, caller: Caller, storage: string): void {
  const { content } = storageOf(there, storage)
  requireAll(caller, `/storage/${storage}`, 'Datastore.AllocateSpace')
  if (!content.includes('images')) throw failure(`storage '${storage}' does not support vm images`)
}

function requireStorages(pve: Pve, caller: Caller, vm: Vm, { target, targetstorage }: Migration): void {
  const there = onNode(pve, target)
  const mapped = storageMap(targetstorage)
  const own = allDrives(vm).flatMap(([, { file }]) => parseVolumeId(file)?.storage ?? [])
  if (targetstorage !== undefined && targetstorage !== '1')
    requireAll(caller, `/vms/${vm.vmid}`, 'VM.Config.Disk')
  for (const storage of new Set(own.map(mapped))) {
    if (targetstorage === undefined) storageOf(there, storage)
    else requireTargetStorage(there, caller, storage)
  }
}

/**
 * Checks a migration in the request.
 * @throws {ApiError} if the target is this node, if the VM runs and `online` is false, or if the target lacks a storage.
 */
export function requireMigratable(pve: Pve, caller: Caller, migration: Migration): void {
  if (migration.target === pve.node) throw parameterError({ target: 'target is local node.' })
  requireNode(pve.store.state, migration.target)
  const vm = findVm(pve, migration.vmid)
  requireUnlocked(vm)
  if (isRunning(pve, vm.vmid) && !migration.online) throw failure("can't migrate running VM without --online")
  requireStorages(pve, caller, vm, migration)
}

/** Returns why a volume cannot move to another node; undefined if it can. */
function obstacle(pve: Pve, vm: Vm, file: string): string | undefined {
  const volume = findVolume(pve, file)
  if (!volume) return 'local cdrom image'
  if (volume.vmid !== vm.vmid) return `owned by other VM (owner = VM ${volume.vmid})`
  if (isBaseInUse(pve, file)) return 'referenced by linked clone(s)'
  if (volume.parent !== undefined) return `can't migrate '${file}' as it's a clone of '${volume.parent}'`
  // QEMU mirrors disks while a guest writes. The lab's drivers cannot do that.
  return isRunning(pve, vm.vmid) ? 'disks of a running VM are not copied by this node' : undefined
}

/** Lists the drives on this node's own storages. @throws {ApiError} if one cannot move; the log says why. */
function localDrives(pve: Pve, vm: Vm, task: TaskContext): [key: string, drive: Drive][] {
  const local = allDrives(vm).filter(([, { file }]) => {
    const id = parseVolumeId(file)
    return id !== undefined && storageOf(pve, id.storage).shared !== true
  })
  const faults = local.flatMap(([, { file }]) => {
    const fault = obstacle(pve, vm, file)
    return fault === undefined ? [] : [`can't migrate local disk '${file}': ${fault}`]
  })
  for (const fault of faults) task.log(fault)
  if (faults.length > 0) throw failure("can't migrate VM - check log")
  return local
}

async function moveDrives(pve: Pve, vm: Vm, migration: Migration, task: TaskContext): Promise<void> {
  const [there, mapped] = [onNode(pve, migration.target), storageMap(migration.targetstorage)]
  const moved: [key: string, drive: Drive, relocation: Relocation][] = []
  try {
    const local = localDrives(pve, vm, task)
    const volumes = local.map(([, { file }]): [string, Volume] => [file, volumeOf(pve, file)])
    await requireRoomForAll(
      there,
      volumes.filter(([, { storage }]) => mapped(storage) === storage),
    )
    for (const [key, drive] of local) {
      task.log(`copying local disk '${drive.file}'`)
      const storage = mapped(volumeOf(pve, drive.file).storage)
      moved.push([key, drive, await relocate(pve, there, drive.file, storage)])
    }
  } catch (error) {
    for (const [, , relocation] of moved) await relocation.undo()
    throw error
  }
  for (const [key, drive, relocation] of moved) {
    relocation.adopt()
    vm.config[key] = formatDrive({ ...drive, file: relocation.volid })
  }
  vm.node = migration.target
  for (const [, , relocation] of moved) await relocation.removeSource()
}

/** Runs the worker. A running guest keeps running, because all nodes share one network. */
export async function migrateVm(pve: Pve, migration: Migration, task: TaskContext): Promise<void> {
  const { vmid, target } = migration
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireUnlocked(vm)
    task.log(`starting migration of VM ${vmid} to node '${target}' (127.0.0.1)`)
    try {
      if (!requireNode(pve.store.state, target).online)
        throw failure("Can't connect to destination address using public key")
      await pve.pause(DURATIONS.migrate)
      await moveDrives(pve, vm, migration, task)
    } catch (error) {
      task.log(`ERROR: ${(error as Error).message}`)
      throw failure('migration aborted')
    }
    task.log('migration finished successfully')
  })
}

/** Lists the storages that a node lacks for the VM's drives. */
function missingStorages(pve: Pve, vm: Vm, node: string): string[] {
  const used = allDrives(vm).flatMap(([, { file }]) => parseVolumeId(file)?.storage ?? [])
  return [...new Set(used)].filter(id => !isAvailableOn(pve.store.state.storages[id]!, node)).sort()
}

/** Lists the drives on this node's own storages, as an answer. */
function localDisks(pve: Pve, vm: Vm): ApiObject[] {
  const local = allDrives(vm).filter(([, { file }]) => {
    const id = parseVolumeId(file)
    return id !== undefined && storageOf(pve, id.storage).shared !== true
  })
  return local.map(([key, drive]) => ({
    volid: drive.file,
    drivename: key,
    size: findVolume(pve, drive.file)?.size ?? 0,
    cdrom: isCdrom(drive) ? 1 : 0,
    is_unused: /^unused/.test(key) ? 1 : 0,
    replicate: 1,
    shared: 0,
    referenced_in_config: 1,
  }))
}

/** Returns what stands against a migration (`migrate_vm_precondition` in PVE/API2/Qemu.pm). */
export function migrationPreconditions(pve: Pve, vmid: number): ApiObject {
  const vm = findVm(pve, vmid)
  requireUnlocked(vm)
  const others = pve.store.state.nodes.map(({ name }) => name).filter(name => name !== pve.node)
  const missing = others.map(name => [name, missingStorages(pve, vm, name)] as const)
  const refused = missing.filter(([, storages]) => storages.length > 0)
  return {
    running: isRunning(pve, vmid) ? 1 : 0,
    allowed_nodes: missing.filter(([, storages]) => storages.length === 0).map(([name]) => name),
    not_allowed_nodes: Object.fromEntries(
      refused.map(([name, storages]) => [name, { unavailable_storages: storages }]),
    ),
    local_disks: localDisks(pve, vm),
    local_resources: Object.keys(vm.config).filter(key => /^(hostpci|usb|ivshmem)\d*$/.test(key)),
    'mapped-resources': [],
    'mapped-resource-info': {},
    'has-dbus-vmstate': 1,
  }
}
