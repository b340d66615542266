import type { Parameters, ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** PUT .../config; done when it returns. @param parameters `delete` has the keys to remove, separated by commas. */
export async function updateVmConfig(
  client: ProxmoxClient,
  vm: VmRef,
  parameters: Parameters,
): Promise<void> {
  await client.request('PUT', `${vmPath(vm)}/config`, parameters)
}
