import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'

interface Interface {
  address?: string
  gateway?: string
  address6?: string
  gateway6?: string
}

/**
 * GET /nodes/{node}/network. @returns The address that the provider bpg/proxmox uses for SSH to the node: that of the
 * card with the gateway, otherwise the first IPv4 address; undefined if the identity sees none. The provider then asks
 * the name server.
 */
export async function getNodeAddress(client: ProxmoxClient, node: string): Promise<string | undefined> {
  const path = `/nodes/${encodeURIComponent(node)}/network`
  const all = await listOf(`GET ${path}`, client.request<Interface[]>('GET', path))
  return (
    all.find(({ address, gateway }) => address !== undefined && gateway !== undefined)?.address ??
    all.find(({ address6, gateway6 }) => address6 !== undefined && gateway6 !== undefined)?.address6 ??
    all.find(({ address }) => address !== undefined)?.address
  )
}
