import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/**
 * PUT .../resize of a disk (`scsi0`), which can only grow.
 * @param size `40G`, or `+1G` for one GiB more.
 * @param digest of the config that was read; undefined: it may have changed since.
 * @returns The UPID; null on versions that do it at once.
 */
export function resizeDisk(
  client: ProxmoxClient,
  vm: VmRef,
  disk: string,
  size: string,
  digest?: string,
): Promise<string | null> {
  return client.request('PUT', `${vmPath(vm)}/resize`, {
    disk,
    size,
    ...(digest !== undefined && { digest }),
  })
}
