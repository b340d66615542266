import type { ProxmoxClient } from './client.mts'

interface Interface {
  address?: string
  gateway?: string
  address6?: string
  gateway6?: string
}

/**
 * GET /nodes/{node}/network: the address that bpg/proxmox takes for SSH to the node. It takes the card of the way out,
 * or else any with an IPv4 address; undefined where the identity sees none, and then it asks the name server.
 */
export async function getNodeAddress(client: ProxmoxClient, node: string): Promise<string | undefined> {
  const path = `/nodes/${encodeURIComponent(node)}/network`
  const all = await client.request<Interface[]>('GET', path)
  return (
    all.find(({ address, gateway }) => address !== undefined && gateway !== undefined)?.address ??
    all.find(({ address6, gateway6 }) => address6 !== undefined && gateway6 !== undefined)?.address6 ??
    all.find(({ address }) => address !== undefined)?.address
  )
}
