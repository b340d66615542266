import type { ProxmoxClient } from './client.mts'
import { ProxmoxApiError } from './errors.mts'

/**
 * GET /cluster/nextid?vmid=N. @returns True if no VM or container has the id, even one that the identity cannot see.
 * The id is not reserved.
 */
export async function isVmidFree(client: ProxmoxClient, vmid: number): Promise<boolean> {
  try {
    await client.request('GET', '/cluster/nextid', { vmid })
    return true
  } catch (error) {
    if (error instanceof ProxmoxApiError && error.status === 400) return false
    throw error
  }
}
