import type { ProxmoxClient } from '../proxmox/client.mts'
import { getPermissions } from '../proxmox/get-permissions.mts'
import { listPools } from '../proxmox/list-pools.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'

/**
 * Checks that a pool is there. Proxmox lists only pools that the identity may see: without that privilege nothing is
 * known about the pool, and Proxmox decides.
 * @param setBy Name of the setting, for the hint.
 * @throws ProxmintError (invalid) If there is no such pool.
 */
export async function requirePool(client: ProxmoxClient, pool: string, setBy: string): Promise<void> {
  const pools = await listPools(client)
  if (pools.includes(pool)) return
  const path = `/pool/${pool}`
  const granted = (await getPermissions(client, { path }))[path] ?? {}
  if (!('Pool.Audit' in granted)) return
  throw new ProxmintError(`there is no pool ${pool}${didYouMean(pool, pools)}`, {
    facts: { pools: pools.sort().join(', ') || 'none' },
    hint: `correct ${setBy}, or make the pool: pvesh create /pools --poolid ${pool}`,
    exitCode: exitCodes.invalid,
  })
}
