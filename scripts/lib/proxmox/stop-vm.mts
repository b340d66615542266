import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** POST .../status/stop: pulls the plug; answers the UPID. */
export function stopVm(client: ProxmoxClient, vm: VmRef): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/status/stop`)
}
