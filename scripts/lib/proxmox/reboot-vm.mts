import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/**
 * POST .../status/reboot: shuts the guest down and starts it, with pending changes and a new cloud-init drive. The task
 * fails if the guest has not shut down after `seconds`.
 * @returns The UPID.
 */
export function rebootVm(client: ProxmoxClient, vm: VmRef, seconds: number): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/status/reboot`, { timeout: seconds })
}
