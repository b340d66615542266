import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** Config of a VM as Proxmox returns it: integers are numbers, property strings are strings. */
export type VmConfig = Record<string, string | number>

/** GET .../config; needs VM.Audit. */
export function getVmConfig(client: ProxmoxClient, vm: VmRef): Promise<VmConfig> {
  return client.request('GET', `${vmPath(vm)}/config`)
}
