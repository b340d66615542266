import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'

interface FailedTask {
  upid: string
  /** VMID of its VM; for a clone, of the source. */
  id: string
  /** Error message of Proxmox. */
  status: string
}

/**
 * GET /nodes/{node}/tasks. @returns The identity's own tasks of a type that failed, latest first, at most 50.
 * @param since Earliest start, in milliseconds since the epoch.
 */
export function listFailedTasks(
  client: ProxmoxClient,
  node: string,
  { type, since }: { type: string; since: number },
): Promise<FailedTask[]> {
  const asked = client.request<FailedTask[]>('GET', `/nodes/${node}/tasks`, {
    typefilter: type,
    since: Math.floor(since / 1000),
    errors: 1,
    limit: 50,
  })
  return listOf(`GET /nodes/${node}/tasks`, asked, { upid: 'string' })
}
