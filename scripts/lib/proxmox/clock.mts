/** Compares Proxmox's clock with that of this machine. */
import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'

/**
 * Measures by how many milliseconds Proxmox's clock is ahead of this machine's, to half a second.
 * @returns undefined if a proxy hides Proxmox's clock.
 */
export async function measureSkew(client: ProxmoxClient): Promise<number | undefined> {
  const before = Date.now()
  const theirs = await client.time()
  // Proxmox reports whole seconds: on average half of one has passed.
  return theirs === undefined ? undefined : theirs.getTime() + 500 - (before + Date.now()) / 2
}

/** GET /nodes/N/time; needs Sys.Audit on the node. @returns the skew; undefined without the privilege. */
export async function measureSkewOfNode(client: ProxmoxClient, node: string): Promise<number | undefined> {
  const before = Date.now()
  const request = client.request<{ time: number }>('GET', `/nodes/${node}/time`)
  const theirs = await unlessStatus(403, request, undefined)
  return theirs === undefined ? undefined : theirs.time * 1000 + 500 - (before + Date.now()) / 2
}
