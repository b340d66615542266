import type { ProxmoxClient } from '../proxmox/client.mts'
import { ProxmoxApiError } from '../proxmox/errors.mts'
import { getPermissions } from '../proxmox/get-permissions.mts'

/**
 * Finds the SDN zone of a bridge. Undefined if it is a bridge of the nodes. The list of vnets takes SDN.Audit, so the
 * ACL paths of the identity are looked at too. Without either, a vnet is taken for a bridge.
 */
export async function zoneOfBridge(client: ProxmoxClient, bridge: string): Promise<string | undefined> {
  // Proxmox's own name for bridges of nodes. No vnet has it.
  if (/^vmbr\d+$/.test(bridge)) return undefined
  const [vnets, permissions] = await Promise.all([listVnets(client), getPermissions(client)])
  const paths = Object.keys(permissions).map(path => /^\/sdn\/zones\/([^/]+)\/([^/]+)/.exec(path))
  return vnets.find(({ vnet }) => vnet === bridge)?.zone ?? paths.find(match => match?.[2] === bridge)?.[1]
}

/** GET /cluster/sdn/vnets. Empty without SDN, or without the privilege to list them. */
async function listVnets(client: ProxmoxClient): Promise<{ vnet: string; zone: string }[]> {
  try {
    return await client.request('GET', '/cluster/sdn/vnets')
  } catch (error) {
    if (error instanceof ProxmoxApiError && [403, 501].includes(error.status)) return []
    throw error
  }
}
