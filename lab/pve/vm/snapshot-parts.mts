/** What taking, deleting and going back to a snapshot have in common. */

import { failure } from '../core/errors.mts'
import { configId } from '../core/formats.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { Snapshot, Vm, VmConfig } from '../core/state.mts'
import { drivesOf, isCdrom } from './drive.mts'
import { visibleConfig } from './settings.mts'
import { findVm, hasLock } from './vm.mts'

const LOCK_SECONDS = 10

/** Parameter with the name of a snapshot. */
export const snapshotName = { type: 'string', format: configId, maxLength: 40 } as const

/** @throws {ApiError} for a name that is not there. */
export function requireSnapshot(vm: Vm, name: string): Snapshot {
  const snapshot = vm.snapshots?.[name]
  if (snapshot === undefined) throw failure(`snapshot '${name}' does not exist`)
  return snapshot
}

/** Lists the disks of a config, without CDs. */
export function snapshotDisks(config: VmConfig): [slot: string, volid: string][] {
  return drivesOf(config).flatMap(([slot, drive]) => (isCdrom(drive) ? [] : [[slot, drive.file]]))
}

const NOT_KEPT = /^(lock|parent|description|snapstate|snaptime|vmstate|unused\d+)$/

/** Returns the options that a snapshot or a rollback takes over. */
export function keptOptions(config: VmConfig): VmConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !NOT_KEPT.test(key)))
}

/** Runs `work` alone on the VM. */
export function lockedVm<T>(pve: Pve, vmid: number, work: (vm: Vm) => Promise<T>): Promise<T> {
  return pve.locks.exclusive(vmid, LOCK_SECONDS, async () => work(findVm(pve, vmid)))
}

/** Removes the lock that a worker has set. @throws {ApiError} if another one took it. */
export function releaseLock(vm: Vm, lock: 'snapshot' | 'snapshot-delete' | 'rollback', fault: string): void {
  if (!hasLock(vm, lock)) throw failure(fault)
  delete vm.config['lock']
}

/** Returns a snapshot as an answer: its options and what belongs to the snapshot itself. */
export function snapshotConfig({ config, parent, description, snaptime, snapstate }: Snapshot): ApiObject {
  return {
    ...visibleConfig(config),
    snaptime,
    ...(parent !== undefined && { parent }),
    ...(description !== undefined && { description }),
    ...(snapstate !== undefined && { snapstate }),
  }
}
