import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** POST .../status/shutdown: asks the guest to power off, and stops it by force after `seconds`. @returns The UPID. */
export function shutdownVm(client: ProxmoxClient, vm: VmRef, seconds: number): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/status/shutdown`, { timeout: seconds, forceStop: 1 })
}
