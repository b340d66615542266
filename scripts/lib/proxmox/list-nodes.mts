import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'

export interface NodeSummary {
  node: string
  status: string
  /** Used and total memory in bytes; missing without Sys.Audit on the node. */
  mem?: number
  maxmem?: number
}

/** GET /cluster/resources: every node of the cluster. */
export function listNodes(client: ProxmoxClient): Promise<NodeSummary[]> {
  const asked = client.request<NodeSummary[]>('GET', '/cluster/resources', { type: 'node' })
  return listOf('GET /cluster/resources', asked, { node: 'string' })
}

export interface NodeStorage {
  storage: string
  node: string
  /** `available` if it can be used. */
  status: string
}

/** GET /cluster/resources: the storages of every node that the identity may see. */
export function listNodeStorages(client: ProxmoxClient): Promise<NodeStorage[]> {
  const asked = client.request<NodeStorage[]>('GET', '/cluster/resources', { type: 'storage' })
  return listOf('GET /cluster/resources', asked, { storage: 'string', node: 'string' })
}
