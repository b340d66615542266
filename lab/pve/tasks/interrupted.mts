/** Tasks that ran when a server was killed, as in a power failure of a node. */

import type { State } from '../core/state.mts'

/** Status that Proxmox gives a task whose log has no last line. */
export const UNEXPECTED_STATUS = 'unexpected status'

/**
 * Marks the tasks that ran as ended. Locks in configs and unfinished VMs and volumes stay, as on Proxmox.
 * @param now seconds since the epoch.
 */
export function endInterrupted({ tasks }: State, now: number): void {
  for (const task of tasks.filter(each => each.exitstatus === undefined)) {
    task.exitstatus = UNEXPECTED_STATUS
    task.endtime = now
  }
}
