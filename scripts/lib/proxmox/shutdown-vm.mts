import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

export interface ShutdownOptions {
  /** How long the guest may take. */
  seconds: number
  /** The power is cut after that time; otherwise the task fails, and the VM runs on. */
  hard: boolean
}

/**
 * POST .../status/shutdown: asks the guest to power off. Of a VM that high availability manages, the task only hands the
 * order over, and ends before the VM is off; the manager cuts the power after that time whatever `hard` says.
 * @returns The UPID.
 */
export function shutdownVm(
  client: ProxmoxClient,
  vm: VmRef,
  { seconds, hard }: ShutdownOptions,
): Promise<string> {
  return client.request('POST', `${vmPath(vm)}/status/shutdown`, {
    timeout: seconds,
    ...(hard && { forceStop: 1 }),
  })
}
