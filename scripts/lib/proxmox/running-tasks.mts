/** Tasks that run on a node. */
import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'

interface RunningTask {
  upid: string
  /** For a download the name of the file. */
  id: string
}

/** GET /nodes/{node}/tasks. @returns The identity's own tasks of a type that run. */
export function listRunningTasks(client: ProxmoxClient, node: string, type: string): Promise<RunningTask[]> {
  const path = `/nodes/${node}/tasks`
  const asked = client.request<RunningTask[]>('GET', path, { source: 'active', typefilter: type })
  return listOf(`GET ${path}`, asked, { upid: 'string', id: 'string' })
}

/** DELETE of a task of the identity's own: it ends as if interrupted. */
export async function stopTask(client: ProxmoxClient, node: string, upid: string): Promise<void> {
  await client.request('DELETE', `/nodes/${node}/tasks/${encodeURIComponent(upid)}`)
}
