import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/**
 * DELETE of a stopped VM or a VM template, with the disks that its config names, and out of backup jobs; answers the
 * UPID.
 * @param options `unreferenced`: also each disk of that VMID on any storage, as a clone or an import leaves it that was
 * interrupted. It may be somebody else's: one kept for a rescue, or of another cluster on a shared storage.
 */
export function deleteVm(
  client: ProxmoxClient,
  vm: VmRef,
  { unreferenced = false }: { unreferenced?: boolean } = {},
): Promise<string> {
  const parameters = unreferenced ? { purge: 1, 'destroy-unreferenced-disks': 1 } : { purge: 1 }
  return client.request('DELETE', vmPath(vm), parameters)
}
