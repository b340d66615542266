/**
 * Power of VMs that high availability manages. The task of a request only hands the order over; the manager carries it
 * out in its next round, and writes the state into its file (PVE/API2/Qemu.pm, PVE/HA/Manager.pm,
 * PVE/HA/Resources/PVEVM.pm).
 */

import type { Pve } from '../core/pve.mts'
import type { TaskContext } from '../core/task.mts'
import { RESOURCES } from '../ha/files.mts'
import { sectionsOf } from '../sections/section-file.mts'
import { shutdownVm, startVm, stopVm } from './power.mts'
import { isRunning } from './vm.mts'

/** Time between two rounds of the manager. */
const ROUND_SECONDS = 10
const SHUTDOWN_SECONDS = 60

/** Checks whether the manager decides about a VM's power. It ignores resources of that state. */
export function isHighlyAvailable(pve: Pve, vmid: number): boolean {
  const resource = sectionsOf(pve, RESOURCES)[`vm:${vmid}`]
  return resource !== undefined && resource['state'] !== 'ignored'
}

/** Checks whether the manager wants a VM to run. */
export function isToRunByHa(pve: Pve, vmid: number): boolean {
  const state = sectionsOf(pve, RESOURCES)[`vm:${vmid}`]?.['state'] ?? 'started'
  return isHighlyAvailable(pve, vmid) && (state === 'started' || state === 'enabled')
}

function note(pve: Pve, vmid: number, state: 'started' | 'stopped'): void {
  const resource = sectionsOf(pve, RESOURCES)[`vm:${vmid}`]
  if (resource !== undefined) resource['state'] = state
}

/** Runs a task of the manager's own, in its next round. */
async function inNextRound(
  pve: Pve,
  type: string,
  vmid: number,
  act: (task: TaskContext) => Promise<void>,
): Promise<void> {
  await pve.tasks.start({
    type,
    id: String(vmid),
    authid: 'root@pam',
    work: async task => {
      await pve.pause(ROUND_SECONDS)
      await act(task)
    },
  })
}

/** Hands a start over. Called in a worker. */
export async function requestHaStart(pve: Pve, vmid: number, task: TaskContext): Promise<void> {
  task.log(`Requesting HA start for VM ${vmid}`)
  note(pve, vmid, 'started')
  if (!isRunning(pve, vmid)) await inNextRound(pve, 'qmstart', vmid, own => startVm(pve, vmid, own))
}

/**
 * Hands a stop over. Called in a worker. The manager ignores it for a VM that is off.
 * @param seconds time for the guest, after which its power is cut; 0: at once.
 */
export async function requestHaStop(
  pve: Pve,
  vmid: number,
  task: TaskContext,
  seconds = SHUTDOWN_SECONDS,
): Promise<void> {
  task.log(`Requesting HA stop for VM ${vmid}`)
  if (!isRunning(pve, vmid)) return
  note(pve, vmid, 'stopped')
  await inNextRound(pve, seconds === 0 ? 'qmstop' : 'qmshutdown', vmid, own =>
    seconds === 0 ? stopVm(pve, vmid, false) : shutdownVm(pve, vmid, { forceStop: true, seconds }, own),
  )
}
