import type { ProxmoxClient } from './client.mts'

interface FailedTask {
  upid: string
  /** VMID of what it worked on; of a clone, the source. */
  id: string
  /** How it ended, in Proxmox's words. */
  status: string
}

/**
 * GET /nodes/{node}/tasks: the identity's own tasks of a type that ended in an error, the latest first.
 * @param since start of the first that counts, in milliseconds since the epoch.
 */
export function listFailedTasks(
  client: ProxmoxClient,
  node: string,
  { type, since }: { type: string; since: number },
): Promise<FailedTask[]> {
  return client.request('GET', `/nodes/${node}/tasks`, {
    typefilter: type,
    since: Math.floor(since / 1000),
    errors: 1,
    limit: 50,
  })
}
