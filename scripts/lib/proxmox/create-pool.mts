import type { ProxmoxClient } from './client.mts'

/** POST /pools; needs Pool.Allocate on /pool/NAME. */
export async function createPool(client: ProxmoxClient, pool: string, comment: string): Promise<void> {
  await client.request('POST', '/pools', { poolid: pool, comment })
}
