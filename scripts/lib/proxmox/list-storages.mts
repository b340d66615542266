import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'

export interface StorageSummary {
  storage: string
  type: string
  /** Content types, separated by commas: `images,iso,import`. */
  content: string
  active?: number
  enabled?: number
  /** 1 if all nodes have the same content. */
  shared?: number
  /** Free and total bytes. */
  avail?: number
  total?: number
}

/** GET /nodes/{node}/storage: the storages that the identity may see (Datastore.Audit or Datastore.AllocateSpace). */
export function listStorages(client: ProxmoxClient, node: string): Promise<StorageSummary[]> {
  const path = `/nodes/${encodeURIComponent(node)}/storage`
  return listOf(`GET ${path}`, client.request<StorageSummary[]>('GET', path), { storage: 'string' })
}
