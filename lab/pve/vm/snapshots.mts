/** Snapshots of VMs, as far as their list: none holds a disk, and nobody can go back to one. */

import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import { hasFeature } from '../storage/volumes.mts'
import { digestOfVm } from './conf-file.mts'
import { drivesOf, isCdrom } from './drive.mts'
import { findVm, isRunning, requireUnlocked } from './vm.mts'

const LOCK_SECONDS = 10

/** Lists the snapshots and, as Proxmox does, `current` for the VM as it is. */
export function snapshotsOf(pve: Pve, vm: Vm): ApiObject[] {
  const { parent } = vm.config
  const snapshots = Object.entries(vm.snapshots ?? {}).map(([name, one]) => ({
    name,
    description: one.description ?? '',
    snaptime: one.snaptime,
    vmstate: 0,
    ...(one.parent !== undefined && { parent: one.parent }),
  }))
  const current = {
    name: 'current',
    description: 'You are here!',
    digest: digestOfVm(vm),
    running: isRunning(pve, vm.vmid) ? 1 : 0,
    ...(parent !== undefined && { parent }),
  }
  return [...snapshots, current]
}

/** Refuses a name that is taken, and a VM with a disk whose storage has no snapshots. @throws {ApiError} */
export function requireSnapshotable(pve: Pve, vm: Vm, name: string): void {
  requireUnlocked(vm)
  if (name === 'current' || vm.snapshots?.[name] !== undefined)
    throw failure(`snapshot name '${name}' already used`)
  const disks = drivesOf(vm.config).filter(([, drive]) => !isCdrom(drive))
  if (!disks.every(([, drive]) => hasFeature(pve, 'snapshot', drive.file)))
    throw failure('snapshot feature is not available')
}

export async function takeSnapshot(
  pve: Pve,
  vmid: number,
  name: string,
  description: string | undefined,
): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireSnapshotable(pve, vm, name)
    const { parent, ...config } = vm.config
    const snaptime = Math.floor(Date.now() / 1000)
    vm.snapshots = { ...vm.snapshots, [name]: { config, parent, description, snaptime } }
    vm.config['parent'] = name
  })
}

/** Whatever stood on the snapshot stands on its parent then. */
export async function deleteSnapshot(pve: Pve, vmid: number, name: string): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireUnlocked(vm)
    const { [name]: gone, ...left } = requireSnapshot(vm, name)
    vm.snapshots = left
    for (const one of Object.values(left)) if (one.parent === name) one.parent = gone!.parent
    if (vm.config['parent'] !== name) return
    if (gone!.parent === undefined) delete vm.config['parent']
    else vm.config['parent'] = gone!.parent
  })
}

/** @throws {ApiError} for a name that is not there. */
export function requireSnapshot(vm: Vm, name: string): NonNullable<Vm['snapshots']> {
  if (vm.snapshots?.[name] === undefined) throw failure(`snapshot '${name}' does not exist`)
  return vm.snapshots
}
