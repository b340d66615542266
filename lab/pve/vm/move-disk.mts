/** Moves a disk to another storage, or to another format (`move_disk` with `storage`). */

import { failure, textOf } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { cloneVolume, createCloudInitVolume } from '../storage/new-volumes.mts'
import { requireForImages } from '../storage/storages.mts'
import { freeVolume, type NewVolume, renameToBase, volumeOf } from '../storage/volumes.mts'
import { requireDisk } from './disks.mts'
import { type Drive, formatDrive, formatSize, isCdrom, isCloudInit } from './drive.mts'
import { snapshotDisks } from './snapshot-parts.mts'
import { findVm, isTemplate, keepUnused, requireUnlocked } from './vm.mts'

const LOCK_SECONDS = 10

interface Move {
  vmid: number
  disk: string
  storage: string
  /** Undefined: that of the disk. */
  format: string | undefined
  digest: string | undefined
  /** True: deletes the original. False: keeps it as `unusedN`. */
  remove: boolean
}

/** Checks whether a snapshot of the VM needs the disk. */
export function isInSnapshot(vm: Vm, volid: string): boolean {
  return Object.values(vm.snapshots ?? {}).some(({ config }) =>
    snapshotDisks(config).some(([, each]) => each === volid),
  )
}

/** Checks a move in the request, and again in the worker. @throws {ApiError} */
export function requireMovable(
  pve: Pve,
  move: Move,
  requireSame: (vm: Vm) => void,
): { vm: Vm; drive: Drive } {
  const { storage, format } = move
  const vm = findVm(pve, move.vmid)
  requireUnlocked(vm)
  requireSame(vm)
  const drive = requireDisk(vm.config, move.disk)
  if (isCdrom(drive) && !isCloudInit(drive)) throw failure("you can't move a cdrom")
  const present = volumeOf(pve, drive.file)
  if (present.storage === storage && (format === undefined || present.format === format))
    throw failure("you can't move to the same storage with same format")
  requireForImages(pve, storage)
  if (move.remove && isInSnapshot(vm, drive.file))
    throw failure("you can't move a disk with snapshots and delete the source")
  return { vm, drive }
}

function copy(pve: Pve, { vmid, storage, format }: Move, drive: Drive): Promise<NewVolume> {
  return isCloudInit(drive)
    ? createCloudInitVolume(pve, storage, vmid, format)
    : cloneVolume(pve, drive.file, { storage, vmid, format })
}

/** Keeps the original as `unusedN`. A cloud-init drive is deleted: each start makes its content again. */
async function keepOriginal(pve: Pve, vm: Vm, volid: string, task: TaskContext): Promise<void> {
  if (/vm-\d+-cloudinit/.test(volid)) {
    task.log(`found unused cloudinit disk '${volid}', removing it`)
    await freeVolume(pve, volid)
    return
  }
  task.log(`adding source volume '${volid}' as '${keepUnused(vm.config, volid)}' to config`)
}

/** Deletes the original. If that fails, the move succeeds anyway. */
async function removeOriginal(pve: Pve, volid: string, task: TaskContext): Promise<void> {
  task.log(`removing source volume '${volid}' after successful copy`)
  await freeVolume(pve, volid).catch(error => task.log(textOf(error)))
}

async function moveLocked(pve: Pve, move: Move, task: TaskContext): Promise<void> {
  const { vm, drive } = requireMovable(pve, move, () => {})
  const from = volumeOf(pve, drive.file).storage
  task.log(
    `copying volume '${drive.file}' from current storage '${from}' to target storage '${move.storage}'`,
  )
  if (isInSnapshot(vm, drive.file)) task.log('moving disk with snapshots, snapshots will not be moved!')
  await pve.pause(DURATIONS.moveDisk)
  const made = await copy(pve, move, drive).catch(error => {
    throw failure(`storage migration failed: ${textOf(error)}`)
  })
  const file = isTemplate(vm.config) && !isCdrom(drive) ? renameToBase(pve, made.volid) : made.volid
  const { format: _, ...options } = drive.options
  vm.config[move.disk] = /^unused/.test(move.disk)
    ? file
    : formatDrive({ file, options: { ...options, size: formatSize(made.volume.size) } })
  if (move.remove) await removeOriginal(pve, drive.file, task)
  else await keepOriginal(pve, vm, drive.file, task)
}

/** Copies a disk and attaches the copy. Called in a worker. */
export async function moveDisk(pve: Pve, move: Move, task: TaskContext): Promise<void> {
  await pve.locks.exclusive(move.vmid, LOCK_SECONDS, () => moveLocked(pve, move, task))
}
