import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/**
 * POST .../status/reboot: shuts the guest down and starts it anew, with pending changes and a new cloud-init drive;
 * fails where it has not shut down after `seconds`. Answers the UPID.
 */
export function rebootVm(client: ProxmoxClient, vm: VmRef, seconds: number): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/status/reboot`, { timeout: seconds })
}
