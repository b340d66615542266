import type { ProxmoxClient } from './client.mts'
import { objectOf } from './shape.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** Config of a VM as Proxmox returns it: integers are numbers, property strings are strings. */
export type VmConfig = Record<string, string | number>

/** GET .../config; needs VM.Audit. @returns The config with what waits for the next start of the VM. */
export function getVmConfig(client: ProxmoxClient, vm: VmRef): Promise<VmConfig> {
  const path = `${vmPath(vm)}/config`
  return objectOf(`GET ${path}`, client.request<VmConfig>('GET', path))
}

/** Parameter by which Proxmox refuses an update if somebody changed the config since it was read. */
export function digestOf({ digest }: VmConfig): { digest?: string } {
  return digest === undefined ? {} : { digest: String(digest) }
}

/** GET .../config with `current`; needs VM.Audit. @returns The config that a VM runs with. */
export function getRunningConfig(client: ProxmoxClient, vm: VmRef): Promise<VmConfig> {
  const path = `${vmPath(vm)}/config`
  return objectOf(`GET ${path}`, client.request<VmConfig>('GET', path, { current: true }))
}
