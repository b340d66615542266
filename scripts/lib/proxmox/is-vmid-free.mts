import type { ProxmoxClient } from './client.mts'
import { ProxmoxApiError } from './errors.mts'

/**
 * GET /cluster/nextid?vmid=N: whether no VM or container has the id, also among those the identity cannot
 * see. It reserves nothing.
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
