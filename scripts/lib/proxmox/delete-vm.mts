import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/**
 * DELETE of a stopped VM or a VM template. Deletes the disks that its config names, and removes it from backup jobs.
 * @param options `unreferenced`: also deletes each disk of that VMID on any storage. An interrupted clone or import
 * leaves such disks. They may also be somebody else's: kept for a rescue, or of another cluster on a shared storage.
 * @returns The UPID.
 */
export function deleteVm(
  client: ProxmoxClient,
  vm: VmRef,
  { unreferenced = false }: { unreferenced?: boolean } = {},
): Promise<string> {
  const parameters = unreferenced ? { purge: 1, 'destroy-unreferenced-disks': 1 } : { purge: 1 }
  return client.request('DELETE', vmPath(vm), parameters)
}
