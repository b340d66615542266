import type { ProxmoxClient } from './client.mts'

/** GET /nodes/{node}/network: the bridges and vnets of a node that the identity may attach a VM to. */
export async function listBridges(client: ProxmoxClient, node: string): Promise<string[]> {
  const type = 'any_bridge'
  const path = `/nodes/${encodeURIComponent(node)}/network`
  return (await client.request<{ iface: string }[]>('GET', path, { type })).map(({ iface }) => iface)
}
