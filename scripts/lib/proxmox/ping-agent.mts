import type { ProxmoxClient } from './client.mts'
import { ProxmoxApiError } from './errors.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** POST .../agent/ping: whether the guest agent answers. A missing privilege throws. */
export async function pingAgent(client: ProxmoxClient, vm: VmRef): Promise<boolean> {
  try {
    await client.request('POST', `${vmPath(vm)}/agent/ping`)
    return true
  } catch (error) {
    if (error instanceof ProxmoxApiError && error.status === 500) return false
    throw error
  }
}
