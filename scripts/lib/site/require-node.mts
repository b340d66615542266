import type { ProxmoxClient } from '../proxmox/client.mts'
import { listNodes } from '../proxmox/list-nodes.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'

/**
 * Checks that the cluster has a node.
 * @param setBy Name of the setting, for the hint; undefined: the command line.
 * @throws ProxmintError (usage, or invalid with `setBy`) If the node is unknown.
 */
export async function requireNode(client: ProxmoxClient, name: string, setBy?: string): Promise<void> {
  const names = (await listNodes(client)).map(({ node }) => node)
  if (!names.includes(name)) throw noSuchNode(name, names, setBy)
}

export function noSuchNode(name: string, names: string[], setBy?: string): ProxmintError {
  return new ProxmintError(`unknown node ${name}${didYouMean(name, names)}`, {
    facts: { known: names.sort().join(', ') },
    hint: setBy && `correct ${setBy}`,
    exitCode: setBy === undefined ? exitCodes.usage : exitCodes.invalid,
  })
}
