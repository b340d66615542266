/** Deletes VMs (`destroy_vm` in PVE/QemuServer.pm). */

import { failure, textOf } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { removeVmFirewall } from '../firewall/conf.mts'
import { freeVolume, isBaseInUse } from '../storage/volumes.mts'
import { isDriveSlot } from './drive-formats.mts'
import {
  findVm,
  hasLock,
  isRunning,
  isTemplate,
  leavePools,
  requireUnlocked,
  requireUnprotected,
} from './vm.mts'

const LOCK_SECONDS = 10

function forgetVm(pve: Pve, vmid: number): void {
  const { access, vms } = pve.store.state
  delete vms[vmid]
  removeVmFirewall(pve, vmid)
  // A later VM with this VMID must not get the permissions of this one.
  access.acl = access.acl.filter(entry => entry.path !== `/vms/${vmid}`)
  leavePools(pve, vmid)
}

/** Checks in the request, and again in the worker, that a VM may be deleted. @throws {ApiError} */
export function requireDestroyable(pve: Pve, vmid: number): Vm {
  const vm = findVm(pve, vmid)
  requireUnprotected(vm, `VM ${vmid}`)
  if (isRunning(pve, vmid)) throw failure(`VM ${vmid} is running - destroy failed`)
  return vm
}

/** Lists the volumes that a config names. */
function namedIn(config: VmConfig): string[] {
  const keys = Object.keys(config).filter(key => isDriveSlot(key) || /^(unused\d+|vmstate)$/.test(key))
  return keys.map(key => config[key]!.split(',')[0]!)
}

/** Lists the VM's own volumes. @param unreferenced lists also those that nothing names. */
function volumesToFree(pve: Pve, vm: Vm, unreferenced: boolean): string[] {
  const states = Object.values(vm.snapshots ?? {}).flatMap(({ config }) => config['vmstate'] ?? [])
  const named = new Set([...namedIn(vm.config), ...namedIn(vm.pending), ...states])
  const own = Object.entries(pve.store.state.volumes).filter(([, volume]) => volume.vmid === vm.vmid)
  return own.map(([volid]) => volid).filter(volid => unreferenced || named.has(volid))
}

interface Destroying {
  skiplock: boolean
  /** True: also deletes volumes of the VMID that its config does not name. */
  unreferenced: boolean
}

async function destroyLocked(
  pve: Pve,
  vmid: number,
  { skiplock, unreferenced }: Destroying,
  task: TaskContext,
): Promise<void> {
  const vm = requireDestroyable(pve, vmid)
  requireUnlocked(vm, skiplock || hasLock(vm, 'suspended'))
  const volumes = volumesToFree(pve, vm, unreferenced)
  const needed = isTemplate(vm.config) ? volumes.find(volid => isBaseInUse(pve, volid)) : undefined
  if (needed !== undefined) throw failure(`base volume '${needed}' is still in use by linked cloned`)
  await pve.pause(DURATIONS.destroy)
  for (const volid of volumes)
    await freeVolume(pve, volid).catch(error =>
      task.warn(`Could not remove disk '${volid}', check manually: ${textOf(error)}`),
    )
  forgetVm(pve, vmid)
}

/** Deletes a stopped VM with its disks and ACLs, and removes it from its pool. */
export async function destroyVm(
  pve: Pve,
  vmid: number,
  options: Destroying,
  task: TaskContext,
): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, () => destroyLocked(pve, vmid, options, task))
}
