/** The names that a report must not show. */
import { homedir, hostname, userInfo } from 'node:os'
import { projectRoot } from '../config/load.mts'
import { listBridges } from '../proxmox/list-bridges.mts'
import { listNodes } from '../proxmox/list-nodes.mts'
import { listPools } from '../proxmox/list-pools.mts'
import { listVms } from '../proxmox/list-vms.mts'
import type { Connection } from '../site/connect.mts'
import type { TrialFacts } from './plan.mts'
import type { SiteNames } from './scrub.mts'

/** Names that the identity sees, and those of this machine. */
export async function namesOf(
  { client, config, credentials }: Connection,
  facts: TrialFacts,
): Promise<SiteNames> {
  const { url, user, node } = credentials
  const none = (): [] => []
  const [nodes, vms, pools, bridges] = await Promise.all([
    listNodes(client),
    listVms(client),
    listPools(client).catch(none),
    listBridges(client, node).catch(none),
  ])
  return {
    node: nodes.map(one => one.node),
    storage: facts.storages.map(({ storage }) => storage),
    user: [user, user.split('@')[0]!, userInfo().username],
    host: [new URL(url).hostname, hostname()],
    VM: vms.flatMap(({ name }) => (name === undefined ? [] : [name])),
    pool: [...pools, facts.pool.name],
    bridge: [...bridges.map(({ iface }) => iface), config.bridge],
    path: [projectRoot(), config.stateDir, homedir()],
  }
}
