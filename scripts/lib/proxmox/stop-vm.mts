import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** POST .../status/stop: stops the VM at once, as if its power was cut. @returns The UPID. */
export function stopVm(client: ProxmoxClient, vm: VmRef): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/status/stop`)
}
