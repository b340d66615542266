import type { ProxmoxClient } from '../proxmox/client.mts'
import { listBridges } from '../proxmox/list-bridges.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'

/**
 * Checks a bridge, since Proxmox creates a VM with any bridge and fails only at its start.
 * @throws ProxmintError (invalid) If the node has no such bridge that the identity may use.
 */
export async function requireBridge(client: ProxmoxClient, node: string, bridge: string): Promise<void> {
  const bridges = await listBridges(client, node)
  if (bridges.includes(bridge)) return
  throw noBridge(
    node,
    bridge,
    bridges,
    'correct `bridge` in config/proxmint.yaml, or what sets it instead (`--var bridge=...`)',
  )
}

export function noBridge(node: string, bridge: string, bridges: string[], hint: string): ProxmintError {
  return new ProxmintError(`node ${node} has no bridge ${bridge}`, {
    facts: { bridges: bridges.join(', ') || 'none' },
    hint,
    exitCode: exitCodes.invalid,
  })
}
