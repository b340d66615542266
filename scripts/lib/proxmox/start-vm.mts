import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** POST .../status/start. @returns The UPID. */
export function startVm(client: ProxmoxClient, vm: VmRef): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/status/start`)
}
