import type { ProxmoxClient } from './client.mts'
import { ProxmoxApiError } from './errors.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

export interface VmStatus {
  status: 'running' | 'stopped'
  name?: string
  lock?: string
}

/** GET .../status/current; needs VM.Audit. */
export function getVmStatus(client: ProxmoxClient, vm: VmRef): Promise<VmStatus> {
  return client.request('GET', `${vmPath(vm)}/status/current`)
}

/** GET .../status/current; undefined if the VM does not exist. @throws ProxmoxApiError Also for a missing privilege. */
export async function findVmStatus(client: ProxmoxClient, vm: VmRef): Promise<VmStatus | undefined> {
  try {
    return await getVmStatus(client, vm)
  } catch (error) {
    if (error instanceof ProxmoxApiError && error.status === 500 && /does not exist/.test(error.reason))
      return undefined
    throw error
  }
}
