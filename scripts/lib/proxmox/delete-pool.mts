import type { ProxmoxClient } from './client.mts'
import { unlessStatus } from './errors.mts'

/** DELETE /pools of an empty pool; needs Pool.Allocate. @returns False if there is no such pool. */
export function deletePool(client: ProxmoxClient, pool: string): Promise<boolean> {
  const asked = client.request('DELETE', `/pools/${encodeURIComponent(pool)}`).then(() => true)
  return unlessStatus(500, asked, false, /does not exist/)
}
