/** Brings VMs back to a snapshot (PVE/AbstractConfig.pm, PVE/QemuConfig.pm). */

import { randomUUID } from 'node:crypto'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Snapshot, Vm, VmConfig } from '../core/state.mts'
import { DURATIONS, type TaskContext } from '../core/task.mts'
import { requireRollbackPossible, rollbackVolume } from '../storage/volume-snapshots.mts'
import { startLocked, stopLocked } from './power.mts'
import { keptOptions, lockedVm, releaseLock, requireSnapshot, snapshotDisks } from './snapshot-parts.mts'
import { isTemplate, keepUnused, requireUnlocked } from './vm.mts'
import { withoutState } from './vm-state.mts'

function requireRollback(pve: Pve, vm: Vm, name: string): Snapshot {
  if (isTemplate(vm.config)) throw failure("you can't rollback if vm is a template")
  const snapshot = requireSnapshot(vm, name)
  for (const [, volid] of snapshotDisks(snapshot.config)) requireRollbackPossible(pve, volid, name)
  if (snapshot.snapstate !== undefined)
    throw failure(`unable to rollback to incomplete snapshot (snapstate = ${snapshot.snapstate})`)
  return snapshot
}

/** Returns the options after a rollback. Notes and unused disks stay; a disk that the snapshot does not know is kept, too. */
function rolledBack(vm: Vm, name: string, snapshot: Snapshot): VmConfig {
  const present = Object.entries(vm.config).filter(([key]) => /^(unused\d+|description)$/.test(key))
  const config: VmConfig = { ...keptOptions(withoutState(snapshot.config)), ...Object.fromEntries(present) }
  const known = snapshotDisks(snapshot.config).map(([, volid]) => volid)
  for (const [, volid] of snapshotDisks(vm.config)) if (!known.includes(volid)) keepUnused(config, volid)
  if (config['vmgenid'] !== undefined) config['vmgenid'] = randomUUID()
  return { ...config, parent: name }
}

/** Brings a VM back to a snapshot. A running VM is stopped. With its memory in the snapshot, it runs afterwards. */
export async function rollBack(pve: Pve, vmid: number, name: string, task: TaskContext): Promise<void> {
  const snapshot = await lockedVm(pve, vmid, async vm => {
    const found = requireRollback(pve, vm, name)
    requireUnlocked(vm)
    await stopLocked(pve, vmid)
    vm.config['lock'] = 'rollback'
    return found
  })
  await pve.pause(DURATIONS.snapshot)
  for (const [, volid] of snapshotDisks(snapshot.config)) await rollbackVolume(pve, volid, name)
  await lockedVm(pve, vmid, async vm => {
    releaseLock(vm, 'rollback', 'got wrong lock')
    vm.config = rolledBack(vm, name, snapshot)
    vm.pending = {}
    vm.pendingDelete = []
    const state = snapshot.config['vmstate']
    if (state !== undefined) await startLocked(pve, vmid, task, { state })
  })
}
