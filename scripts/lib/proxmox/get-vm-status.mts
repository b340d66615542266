import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'
import { objectOf } from './shape.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

export interface VmStatus {
  status: 'running' | 'stopped'
  name?: string
  lock?: string
  /** Whether high availability manages it. */
  ha?: { managed?: number }
}

/** GET .../status/current; needs VM.Audit. */
export function getVmStatus(client: ProxmoxClient, vm: VmRef): Promise<VmStatus> {
  const path = `${vmPath(vm)}/status/current`
  return objectOf(`GET ${path}`, client.request<VmStatus>('GET', path), { status: 'string' })
}

/** GET .../status/current; undefined if the VM does not exist. @throws ProxmoxApiError Also for a missing privilege. */
export function findVmStatus(client: ProxmoxClient, vm: VmRef): Promise<VmStatus | undefined> {
  return unlessStatus(500, getVmStatus(client, vm), undefined, /does not exist/)
}
