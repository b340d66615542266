/** Tasks that ran when a server ended by force, as a node does in a power failure. */

import type { State } from '../core/state.mts'

/** What Proxmox reads from the log of a worker that did not come to write its last line. */
export const UNEXPECTED_STATUS = 'unexpected status'

/**
 * Ends the tasks that ran. Their locks stay in the configs, and so do half-made VMs and volumes: clearing them up
 * is for who started them, as on Proxmox. `now` in seconds.
 */
export function endInterrupted({ tasks }: State, now: number): void {
  for (const task of tasks.filter(each => each.exitstatus === undefined)) {
    task.exitstatus = UNEXPECTED_STATUS
    task.endtime = now
  }
}
