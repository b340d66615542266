import type { ProxmoxClient } from './client.mts'

export interface StorageSummary {
  storage: string
  type: string
  /** Separated by commas: `images,iso,import`. */
  content: string
  active?: number
  enabled?: number
  /** 1 where every node has the same in it. */
  shared?: number
  /** In bytes. */
  avail?: number
  total?: number
}

/** GET /nodes/{node}/storage: those the identity may see (Datastore.Audit or AllocateSpace). */
export function listStorages(client: ProxmoxClient, node: string): Promise<StorageSummary[]> {
  return client.request('GET', `/nodes/${encodeURIComponent(node)}/storage`)
}
