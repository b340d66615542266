import type { ProxmoxClient } from './client.mts'

/** GET /pools. @returns Names of the pools for which the identity has Pool.Audit or Pool.Allocate. */
export async function listPools(client: ProxmoxClient): Promise<string[]> {
  return (await client.request<{ poolid: string }[]>('GET', '/pools')).map(({ poolid }) => poolid)
}
