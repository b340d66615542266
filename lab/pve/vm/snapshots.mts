/** Snapshots of VMs: options, disks and, if wanted, memory (PVE/AbstractConfig.pm, PVE/QemuConfig.pm). */

import { byName } from '../core/by-name.mts'
import { failure, messageOf } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { Snapshot, Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { deleteVolumeSnapshot, snapshotVolume } from '../storage/volume-snapshots.mts'
import { freeVolume, hasFeature } from '../storage/volumes.mts'
import { digestOfVm } from './conf-file.mts'
import { freezeFileSystems } from './guest-file-systems.mts'
import { requireSavable } from './run-state.mts'
import { keptOptions, lockedVm, releaseLock, requireSnapshot, snapshotDisks } from './snapshot-parts.mts'
import { findVm, isRunning, isTemplate, keepUnused, requireUnlocked } from './vm.mts'
import { allocateState, statePathOf, withoutState } from './vm-state.mts'

/** Lists the snapshots and, as Proxmox does, `current` for the VM as it is. */
export function snapshotsOf(pve: Pve, vm: Vm): ApiObject[] {
  const { parent } = vm.config
  const snapshots = Object.entries(vm.snapshots ?? {}).map(([name, one]) => ({
    name,
    description: one.description ?? '',
    snaptime: one.snaptime,
    vmstate: one.config['vmstate'] === undefined ? 0 : 1,
    ...(one.parent !== undefined && { parent: one.parent }),
    ...(one.snapstate !== undefined && { snapstate: one.snapstate }),
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

/** Checks whether the storages of all disks have snapshots. */
function canSnapshot(pve: Pve, config: VmConfig): boolean {
  return snapshotDisks(config).every(([, volid]) => hasFeature(pve, 'snapshot', volid))
}

interface Taking {
  vmid: number
  name: string
  description: string | undefined
  /** True: keeps the memory of a running VM, too. */
  memory: boolean
}

/** Marks the VM and enters the unfinished snapshot. */
async function prepare(pve: Pve, vm: Vm, { vmid, name, description, memory }: Taking): Promise<void> {
  if (isTemplate(vm.config)) throw failure("you can't take a snapshot if it's a template")
  requireUnlocked(vm)
  if (memory) requireSavable(vm)
  if (vm.snapshots?.[name] !== undefined) throw failure(`snapshot name '${name}' already used`)
  if (!canSnapshot(pve, vm.config)) throw failure('snapshot feature is not available')
  const state = memory && isRunning(pve, vmid) ? await allocateState(pve, vm, name) : {}
  const snapshot: Snapshot = {
    config: { ...keptOptions(vm.config), ...state },
    parent: vm.config['parent'],
    description: description || undefined,
    snaptime: Math.floor(pve.now() / 1000),
    snapstate: 'prepare',
  }
  vm.snapshots = byName(vm.snapshots, { [name]: snapshot })
  vm.config['lock'] = 'snapshot'
}

/** Halts a running guest during `work`. A guest that was paused before stays so. */
async function whileHalted(pve: Pve, vmid: number, work: () => Promise<void>): Promise<void> {
  const live = pve.live.get(vmid)
  if (!live) return work()
  await live.guest.pause()
  try {
    await work()
  } finally {
    if (!live.paused && pve.live.get(vmid) === live) await live.guest.resume()
  }
}

async function saveMemory(pve: Pve, vmid: number, { config }: Snapshot, task: TaskContext): Promise<void> {
  const path = statePathOf(pve, config['vmstate'])
  if (path === undefined) return
  task.log(`saving VM state and RAM using storage '${config['vmstate']!.split(':')[0]}'`)
  await pve.live.get(vmid)?.guest.saveState?.(path)
}

/** Keeps the disks. Adds each to `done`, so that a failure can undo them. */
async function keepDisks(pve: Pve, taking: Taking, done: string[], task: TaskContext): Promise<void> {
  const { vmid, name } = taking
  const snapshot = requireSnapshot(findVm(pve, vmid), name)
  await whileHalted(pve, vmid, async () => {
    await saveMemory(pve, vmid, snapshot, task)
    for (const [slot, volid] of snapshotDisks(snapshot.config)) {
      task.log(`snapshotting 'drive-${slot}' (${volid})`)
      await snapshotVolume(pve, volid, name)
      done.push(volid)
    }
  })
}

/** Removes an unfinished snapshot. */
async function undo(pve: Pve, { vmid, name }: Taking, done: string[]): Promise<void> {
  for (const volid of done) await deleteVolumeSnapshot(pve, volid, name)
  await lockedVm(pve, vmid, async vm => {
    const { vmstate } = requireSnapshot(vm, name).config
    if (vmstate !== undefined) await freeVolume(pve, vmstate)
    const { [name]: _, ...left } = vm.snapshots ?? {}
    vm.snapshots = byName(left)
    delete vm.config['lock']
  })
}

/** Runs the worker. Of a running guest with an agent, the file systems are frozen unless its memory is kept. */
export async function takeSnapshot(pve: Pve, taking: Taking, task: TaskContext): Promise<void> {
  const { vmid, name } = taking
  await lockedVm(pve, vmid, vm => prepare(pve, vm, taking))
  await pve.pause(DURATIONS.snapshot)
  const done: string[] = []
  const { config } = requireSnapshot(findVm(pve, vmid), name)
  try {
    if (config['vmstate'] !== undefined) await keepDisks(pve, taking, done, task)
    else await freezeFileSystems(pve, vmid, task, () => keepDisks(pve, taking, done, task))
  } catch (error) {
    task.log('snapshot create failed: starting cleanup')
    await undo(pve, taking, done)
    throw failure(messageOf(error))
  }
  await lockedVm(pve, vmid, async vm => {
    releaseLock(vm, 'snapshot', 'missing snapshot lock')
    requireSnapshot(vm, name).snapstate = undefined
    vm.config['parent'] = name
  })
}

/** Whatever stood on the snapshot stands on its parent then. */
function forgetSnapshot(vm: Vm, name: string): void {
  const { [name]: gone, ...left } = vm.snapshots ?? {}
  vm.snapshots = byName(left)
  for (const one of Object.values(left)) if (one.parent === name) one.parent = gone?.parent
  if (vm.config['parent'] !== name) return
  if (gone?.parent === undefined) delete vm.config['parent']
  else vm.config['parent'] = gone.parent
}

/** Keeps a disk that only the snapshot named. */
function keepDisk(vm: Vm, volid: string): void {
  const isNamed = Object.values(vm.config).some(value => value.split(',')[0] === volid)
  if (!isNamed) keepUnused(vm.config, volid)
}

/** Runs `work` on a part of a snapshot. With `force`, a failure is only logged. */
async function attempt(force: boolean, task: TaskContext, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!force) throw error
    task.log(messageOf(error))
  }
}

/** Deletes a snapshot with what it kept. @param options.force removes it from the config even if a disk refuses. */
export async function deleteSnapshot(
  pve: Pve,
  { vmid, name, force }: { vmid: number; name: string; force: boolean },
  task: TaskContext,
): Promise<void> {
  const snapshot = requireSnapshot(findVm(pve, vmid), name)
  await lockedVm(pve, vmid, async vm => {
    requireUnlocked(vm)
    if (isTemplate(vm.config)) throw failure("you can't delete a snapshot if vm is a template")
    vm.config['lock'] = 'snapshot-delete'
    snapshot.snapstate = 'delete'
  })
  await pve.pause(DURATIONS.snapshot)
  const { vmstate } = snapshot.config
  if (vmstate !== undefined) await attempt(force, task, () => freeVolume(pve, vmstate))
  snapshot.config = withoutState(snapshot.config)
  const disks = snapshotDisks(snapshot.config)
  for (const [, volid] of disks) await attempt(force, task, () => deleteVolumeSnapshot(pve, volid, name))
  await lockedVm(pve, vmid, async vm => {
    releaseLock(vm, 'snapshot-delete', "encountered invalid lock, expected 'snapshot-delete'")
    forgetSnapshot(vm, name)
    for (const [, volid] of disks) keepDisk(vm, volid)
  })
}
