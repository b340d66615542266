import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'

/**
 * GET /cluster/nextid?vmid=N. @returns True if no VM or container has the id, even one that the identity cannot see.
 * The id is not reserved.
 */
export function isVmidFree(client: ProxmoxClient, vmid: number): Promise<boolean> {
  const request = client.request('GET', '/cluster/nextid', { vmid })
  return unlessStatus(
    400,
    request.then(() => true),
    false,
  )
}
