/** Network of a VM: as its pool in config/db.yaml has it. */
import { bitsOf, isLinkLocal, isOnLink, parseAddress } from '../../config/addresses.mts'
import type { Config } from '../../config/load.mts'
import { POOL_FILE, type Pool } from '../../config/pools.mts'
import { type Entry, type VmDesign, wasMade } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { bridgeSetBy, poolNetworkFaults } from '../../site/pool-network.mts'
import { requireBridge } from '../../site/require-bridge.mts'
import type { Site } from '../../site/site.mts'

type Network = VmDesign['network']

export function networkOfPool(pool: Pool, config: Pick<Config, 'bridge'>): Network {
  return {
    prefix: pool.prefix,
    gateway: pool.gateway ?? null,
    dns: pool.dns,
    bridge: pool.bridge ?? config.bridge,
    vlan: pool.vlan ?? null,
  }
}

/**
 * Checks that the user-data's delivery can express the gateway.
 * @throws ProxmintError (invalid) for an IPv4 gateway beside the network of the addresses, with Proxmox's own drive.
 */
export function requireExpressible(pool: Pool, { delivery }: VmDesign['cloudInit']): void {
  const gateway = parseAddress(pool.gateway ?? '')
  if (gateway === undefined || delivery === 'iso' || isLinkLocal(gateway)) return
  const first = { family: pool.range.family, value: pool.range.first }
  if (!isOnLink(gateway, first, pool.prefix)) return
  throw new ProxmintError(
    `the gateway ${pool.gateway} of the pool ${pool.name} is beside its /${bitsOf(first.family)} addresses, which \`delivery: snippet\` cannot say`,
    {
      hint:
        'set `cloud_init.delivery: iso` in config/vm.yaml: Proxmox writes no on-link route, and cloud-init of Debian 12 ' +
        'adds none',
      exitCode: exitCodes.invalid,
    },
  )
}

/** Warnings that a run has printed already. */
const printed = new WeakMap<Site, Set<string>>()

/**
 * Looks at the bridge of a pool on a node, and prints once per run what does not fit.
 * @throws ProxmintError (invalid) if the node has no such bridge.
 */
export async function requirePoolNetwork(
  connection: Connection,
  node: string,
  pool: Pool,
  bridge: string,
): Promise<void> {
  const bridges = await requireBridge(connection.client, node, bridge, bridgeSetBy(pool))
  const before = printed.get(connection.site) ?? new Set()
  printed.set(connection.site, before)
  for (const fault of poolNetworkFaults(pool, bridge, bridges)) {
    if (!before.has(fault)) say(`warning: ${fault}; compare ${POOL_FILE} with the network of ${node}`)
    before.add(fault)
  }
}

/**
 * Gives a VM that was reserved and never made the bridge, gateway, VLAN, prefix and name servers that its pool has by
 * now, and prints what changes.
 * @returns the entry as it is then.
 */
export async function withNetworkOfToday(
  entry: Entry,
  store: RegistryStore,
  site: Pick<Site, 'pools' | 'config'>,
): Promise<Entry> {
  const { design, name, phase } = entry
  if (phase !== 'reserved' || design === null || wasMade(entry)) return entry
  const pool = (await site.pools()).pools[entry.pool]
  if (pool === undefined) return entry
  const network = networkOfPool(pool, await site.config())
  const changes = changesOf(design.network, network)
  if (changes.length === 0) return entry
  say(`${name} was never made, and takes what the pool ${pool.name} has by now: ${changes.join(', ')}`)
  return store.change(entry, one => ({ ...one, design: { ...one.design!, network } }))
}

function changesOf(before: Network, now: Network): string[] {
  return (Object.keys(now) as (keyof Network)[])
    .filter(key => String(before[key]) !== String(now[key]))
    .map(key => `${key} ${shown(now[key])} (was ${shown(before[key])})`)
}

function shown(value: Network[keyof Network]): string {
  return value === null || value === undefined || String(value) === '' ? 'none' : String(value)
}
