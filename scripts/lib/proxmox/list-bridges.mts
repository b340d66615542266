import type { ProxmoxClient } from './client.mts'

/** GET /nodes/{node}/network. @returns Names of the bridges and vnets that the identity may use for a VM. */
export async function listBridges(client: ProxmoxClient, node: string): Promise<string[]> {
  const type = 'any_bridge'
  const path = `/nodes/${encodeURIComponent(node)}/network`
  return (await client.request<{ iface: string }[]>('GET', path, { type })).map(({ iface }) => iface)
}
