import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** POST .../template. @returns The UPID; null on versions that do it at once. */
export function convertToTemplate(client: ProxmoxClient, vm: VmRef): Promise<string | null> {
  return client.request('POST', `${vmPath(vm)}/template`)
}
