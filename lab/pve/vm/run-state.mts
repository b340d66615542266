/** Suspends VMs, in memory or to disk, and resumes them (PVE/QemuServer/RunState.pm). */

import { failure, messageOf } from '../core/errors.mts'
import { type Caller, requireAll } from '../core/permission.mts'
import type { LiveGuest, Pve } from '../core/pve.mts'
import type { Vm } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { freeVolume } from '../storage/volumes.mts'
import { findVm, hasLock, isTemplate, requireRunning, requireUnlocked } from './vm.mts'
import { allocateState, statePathOf, stateStorageOf, withoutState } from './vm-state.mts'

const LOCK_SECONDS = 10

/** Devices whose state nobody can save. */
const WITHOUT_STATE: [name: string, pattern: RegExp][] = [
  ['amd-sev', /^amd-sev$/],
  ['intel-tdx', /^intel-tdx$/],
  ['virtiofs', /^virtiofs\d+$/],
]

/** Refuses to save the memory of a VM with such a device. @throws {ApiError} that names them. */
export function requireSavable({ config }: Vm): void {
  const keys = Object.keys(config)
  const blockers = WITHOUT_STATE.filter(([, pattern]) => keys.some(key => pattern.test(key)))
  if (blockers.length > 0)
    throw failure(
      `Cannot live-migrate, snapshot (with RAM), or hibernate a VM with: ${blockers.map(([name]) => name).join(', ')}`,
    )
}

/** Checks in the request that a VM can go to disk, and finds the storage for its memory. @throws {ApiError} */
export function requireHibernatable(
  pve: Pve,
  caller: Caller,
  vmid: number,
  storage: string | undefined,
): string {
  requireAll(caller, `/vms/${vmid}`, 'VM.Config.Disk')
  const { config } = findVm(pve, vmid)
  if (Object.keys(config).some(key => /^hostpci\d+$/.test(key)))
    throw failure(
      'cannot suspend VM to disk due to passed-through PCI device(s), which lack the possibility to save/restore their internal state',
    )
  const target = storage ?? stateStorageOf(pve, config)
  requireAll(caller, `/storage/${target}`, 'Datastore.AllocateSpace')
  return target
}

function liveOf(pve: Pve, vmid: number): LiveGuest {
  requireRunning(pve, vmid)
  return pve.live.get(vmid)!
}

/** Halts a running VM. It stays in memory. */
export async function pauseVm(pve: Pve, vmid: number, skiplock: boolean): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    requireUnlocked(vm, skiplock || hasLock(vm, 'backup'))
    const live = liveOf(pve, vmid)
    await live.guest.pause()
    live.paused = true
  })
}

function today(pve: Pve): string {
  return new Date(pve.now()).toISOString().slice(0, 10)
}

interface Hibernation {
  vmid: number
  storage: string
  skiplock: boolean
}

/** Marks the VM and makes the volume for its memory. */
async function prepareState(pve: Pve, { vmid, storage, skiplock }: Hibernation): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    if (hasLock(vm, 'backup')) throw failure('cannot suspend to disk during backup')
    requireUnlocked(vm, skiplock)
    requireSavable(vm)
    liveOf(pve, vmid)
    const state = await allocateState(pve, vm, `suspend-${today(pve)}`, storage)
    vm.config = { ...vm.config, ...state, lock: 'suspending' }
  })
}

/** Deletes a state that could not be written. The lock stays: it shows that something went wrong. */
async function discardState(pve: Pve, vm: Vm): Promise<void> {
  const { vmstate } = vm.config
  vm.config = withoutState(vm.config)
  if (vmstate !== undefined) await freeVolume(pve, vmstate)
}

/** Writes the memory of a running VM to a storage and ends the guest. The next start continues there. */
export async function hibernateVm(pve: Pve, hibernation: Hibernation, task: TaskContext): Promise<void> {
  const { vmid } = hibernation
  await prepareState(pve, hibernation)
  await pve.pause(DURATIONS.snapshot)
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const vm = findVm(pve, vmid)
    try {
      await liveOf(pve, vmid).guest.hibernate(statePathOf(pve, vm.config['vmstate'])!)
    } catch (error) {
      await discardState(pve, vm)
      throw failure(messageOf(error))
    }
    task.log('State saved, quitting')
    pve.live.delete(vmid)
    vm.config['lock'] = 'suspended'
  })
}

/** Lets a paused VM go on. Does nothing to one that is not paused. */
export async function resumeVm(pve: Pve, vmid: number, skiplock: boolean): Promise<void> {
  await pve.locks.exclusive(vmid, LOCK_SECONDS, async () => {
    const live = liveOf(pve, vmid)
    const vm = findVm(pve, vmid)
    if (isTemplate(vm.config)) throw failure(`VM ${vmid} is a template and cannot be resumed!`)
    if (!live.paused) return
    requireUnlocked(vm, skiplock || hasLock(vm, 'backup'))
    await live.guest.resume()
    live.paused = false
  })
}
