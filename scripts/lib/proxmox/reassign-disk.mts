import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** Where a disk goes. */
interface Target {
  vmid: number
  /** Slot there: `scsi0`. It must be free. */
  disk: string
}

/**
 * POST .../move_disk with a target VM on the same node: gives it a disk of a stopped VM. The volume is renamed.
 * @returns The UPID.
 */
export function reassignDisk(
  client: ProxmoxClient,
  vm: VmRef,
  disk: string,
  target: Target,
): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/move_disk`, {
    disk,
    'target-vmid': target.vmid,
    'target-disk': target.disk,
  })
}

/** Id of the task that gives a disk to another VM, as lists of tasks have it. */
export function reassignTaskId(vmid: number, disk: string, target: Target): string {
  return `${vmid}-${disk}>${target.vmid}-${target.disk}`
}
