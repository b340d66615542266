import type { ProxmoxClient } from '../proxmox/client.mts'
import { type Bridge, listBridges } from '../proxmox/list-bridges.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'

/**
 * Checks a bridge, since Proxmox creates a VM with any bridge and fails only at its start.
 * @param setBy Name of the setting, for the hint.
 * @returns All bridges of the node that the identity may use.
 * @throws ProxmintError (invalid) If the bridge is not among them.
 */
export async function requireBridge(
  client: ProxmoxClient,
  node: string,
  bridge: string,
  setBy = '`bridge` in config/proxmint.yaml, or what sets it instead (`--var bridge=...`)',
): Promise<Bridge[]> {
  const bridges = await listBridges(client, node)
  if (bridges.some(({ iface }) => iface === bridge)) return bridges
  throw noBridge(node, bridge, bridges, `correct ${setBy}`)
}

export function noBridge(node: string, bridge: string, bridges: Bridge[], hint: string): ProxmintError {
  return new ProxmintError(`node ${node} has no bridge ${bridge}`, {
    facts: { bridges: bridges.map(({ iface }) => iface).join(', ') || 'none' },
    hint,
    exitCode: exitCodes.invalid,
  })
}
