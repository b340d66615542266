/** Freezes a guest's file systems while its disks are copied. */

import type { RunningGuest } from '../../guests/driver.mts'
import { messageOf } from '../core/errors.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { TaskContext } from '../core/task.mts'
import { agentFormat } from './option-formats.mts'
import { findVm } from './vm.mts'

/** Checks whether the options ask for it, which they do unless they say otherwise. */
function isWanted(pve: Pve, vmid: number): boolean {
  const { config } = findVm(pve, vmid)
  const { enabled, 'freeze-fs': wanted } = parsePropertyString(agentFormat, config['agent'] ?? '0')
  return enabled === '1' && wanted !== '0'
}

function answers(guest: RunningGuest): Promise<boolean> {
  return guest.agent('guest-ping', {}).then(
    () => true,
    () => false,
  )
}

async function tell(guest: RunningGuest, command: string, task: TaskContext): Promise<void> {
  await guest.agent(command, {}).catch(error => task.log(`${command} problems - ${messageOf(error)}`))
}

/** Runs `work`; before it, the agent of a running guest freezes the file systems if it can. Afterwards they thaw. */
export async function freezeFileSystems(
  pve: Pve,
  vmid: number,
  task: TaskContext,
  work: () => Promise<void>,
): Promise<void> {
  const guest = pve.live.get(vmid)?.guest
  if (!guest || pve.live.get(vmid)?.paused) return work()
  if (!isWanted(pve, vmid)) task.log('skipping guest filesystem freeze - disabled in VM options')
  else if (!(await answers(guest)))
    task.log('skipping guest filesystem freeze - agent configured but not running?')
  else return freezeDuring(guest, task, work)
  return work()
}

async function freezeDuring(
  guest: RunningGuest,
  task: TaskContext,
  work: () => Promise<void>,
): Promise<void> {
  await tell(guest, 'guest-fsfreeze-freeze', task)
  try {
    await work()
  } finally {
    await tell(guest, 'guest-fsfreeze-thaw', task)
  }
}
