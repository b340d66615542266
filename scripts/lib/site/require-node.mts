import type { ProxmoxClient } from '../proxmox/client.mts'
import { listNodes } from '../proxmox/list-nodes.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'

/**
 * @param setBy where its name is set, for a person; undefined: on the command line.
 * @throws ProxmintError (usage; invalid where it is set elsewhere) for a node that the cluster has not.
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
