import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** DELETE of a stopped VM or a VM template, with its disks, and out of backup jobs; answers the UPID. */
export function deleteVm(client: ProxmoxClient, vm: VmRef): Promise<string> {
  return client.request('DELETE', vmPath(vm), { purge: 1, 'destroy-unreferenced-disks': 1 })
}
