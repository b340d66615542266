import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'

export interface Bridge {
  /** Name: `vmbr0`. */
  iface: string
  /** Addresses of the node on it, with prefix length; left out if it has none. */
  cidr?: string
  cidr6?: string
}

/** GET /nodes/{node}/network. @returns The bridges and vnets that the identity may use for a VM. */
export function listBridges(client: ProxmoxClient, node: string): Promise<Bridge[]> {
  const path = `/nodes/${encodeURIComponent(node)}/network`
  const asked = client.request<Bridge[]>('GET', path, { type: 'any_bridge' })
  return listOf(`GET ${path}`, asked, { iface: 'string' })
}
