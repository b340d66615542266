/** Network of a VM: as its pool in config/db.yaml has it. */
import { bitsOf, isLinkLocal, isOnLink, parseAddress } from '../../config/addresses.mts'
import type { Config } from '../../config/load.mts'
import { POOL_FILE, type Pool, type PoolConfig } from '../../config/pools.mts'
import { type CardDesign, type Entry, type VmDesign, wasMade } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { ownValue } from '../../run/own-value.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { bridgeSetBy, poolNetworkFaults } from '../../site/pool-network.mts'
import { requireBridge } from '../../site/require-bridge.mts'
import type { Site } from '../../site/site.mts'
import { planCards } from './cards.mts'

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

/** Network of the first card, and all cards where they are wished. */
export function networkDesign(
  network: VmDesign['network'],
  cards: CardDesign[] | undefined,
): Pick<VmDesign, 'network' | 'cards'> {
  if (cards?.[0] === undefined) return { network }
  const { bridge, vlan } = cards[0]
  return { network: { ...network, bridge, vlan }, cards }
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
 * Looks at the bridges of a VM's cards on a node, and prints once per run what does not fit.
 * @throws ProxmintError (invalid) if the node has no such bridge.
 */
export async function requireCardNetworks(
  connection: Connection,
  node: string,
  { network, cards }: Pick<VmDesign, 'network' | 'cards'>,
  poolsOf: (card: number) => Pool[],
): Promise<void> {
  if (cards === undefined) {
    for (const pool of poolsOf(0)) await requirePoolNetwork(connection, node, pool, network.bridge)
    return
  }
  for (const [number, { bridge, vlan }] of cards.entries()) {
    const setBy = `\`bridge\` of the card net${number}, or that of its pool in ${POOL_FILE}`
    const pools = poolsOf(number)
    if (pools.length === 0) await requireBridge(connection.client, node, bridge, setBy)
    for (const pool of pools) {
      await requirePoolNetwork(connection, node, { ...pool, vlan: vlan ?? undefined }, bridge, setBy)
    }
  }
}

/**
 * Looks at the bridge of a pool on a node, and prints once per run what does not fit.
 * @param setBy name of the setting of the bridge, for the hint.
 * @throws ProxmintError (invalid) if the node has no such bridge.
 */
async function requirePoolNetwork(
  connection: Connection,
  node: string,
  pool: Pool,
  bridge: string,
  setBy = bridgeSetBy(pool),
): Promise<void> {
  const bridges = await requireBridge(connection.client, node, bridge, setBy)
  const before = printed.get(connection.site) ?? new Set()
  printed.set(connection.site, before)
  for (const fault of poolNetworkFaults(pool, bridge, bridges)) {
    if (!before.has(fault)) say(`warning: ${fault}; compare ${POOL_FILE} with the network of ${node}`)
    before.add(fault)
  }
}

/** Returns the pools of each card of an entry, as far as config/db.yaml has them. */
export function poolsOfCards(entry: Entry, { pools }: PoolConfig): (card: number) => Pool[] {
  const named = [{ card: 0, pool: entry.pool }, ...(entry.addresses ?? [])]
  return card => named.flatMap(one => (one.card === card ? (ownValue(pools, one.pool) ?? []) : []))
}

/**
 * Gives a VM that was reserved and never made the bridges, gateways, VLANs, prefixes and name servers that its pools have
 * by now, and prints what changes.
 * @returns the entry as it is then.
 */
export async function withNetworkOfToday(
  entry: Entry,
  store: RegistryStore,
  site: Pick<Site, 'pools' | 'config'>,
): Promise<Entry> {
  const { design, name, phase } = entry
  if (phase !== 'reserved' || design === null || wasMade(entry)) return entry
  const [pools, config] = await Promise.all([site.pools(), site.config()])
  const today = networkOfToday(entry, pools, config)
  if (today === undefined) return entry
  const changes = changesOf(valuesOf(entry), valuesOf(today))
  if (changes.length === 0) return entry
  say(`${name} was never made, and takes what ${poolsText(entry)} by now: ${changes.join(', ')}`)
  const { addresses } = today
  const { network, cards } = today.design!
  return store.change(entry, one => ({
    ...one,
    ...(addresses && { addresses }),
    design: { ...one.design!, network, ...(cards && { cards }) },
  }))
}

function poolsText({ pool, addresses = [] }: Entry): string {
  const names = [...new Set([pool, ...addresses.map(one => one.pool)])]
  return names.length === 1 ? `the pool ${names[0]} has` : `the pools ${names.join(', ')} have`
}

/** @returns undefined if the pool is gone. */
function networkOfToday(entry: Entry, pools: PoolConfig, config: Config): Entry | undefined {
  const { networks, ...design } = entry.design!
  const pool = ownValue(pools.pools, entry.pool)
  if (pool === undefined) return undefined
  if (design.cards === undefined || networks === undefined)
    return { ...entry, design: { ...entry.design!, network: networkOfPool(pool, config) } }
  const { cards, further } = planCards(networks, { pools, config, pool: entry.pool, address: entry.address })
  const addresses = entry.addresses?.map(one => {
    const now = further.find(({ card, pool }) => card === one.card && pool.name === one.pool)
    if (now === undefined) return one
    const { prefix, gateway, dns } = now.pool
    return { ...one, prefix, gateway: now.routed ? (gateway ?? null) : null, dns }
  })
  return {
    ...entry,
    ...(addresses && { addresses }),
    design: { ...entry.design!, ...networkDesign(networkOfPool(pool, config), cards) },
  }
}

/** Everything of the network of a VM, by its name for a person. */
function valuesOf({ design, addresses = [] }: Entry): Record<string, unknown> {
  const { network, cards = [] } = design!
  return {
    ...network,
    ...Object.fromEntries(
      cards.slice(1).flatMap(({ bridge, vlan }, index) => [
        [`bridge of net${index + 1}`, bridge],
        [`vlan of net${index + 1}`, vlan],
      ]),
    ),
    ...Object.fromEntries(
      addresses.flatMap(({ address, prefix, gateway, dns }) => [
        [`prefix of ${address}`, prefix],
        [`gateway of ${address}`, gateway],
        [`name servers of ${address}`, dns],
      ]),
    ),
  }
}

function changesOf(before: Record<string, unknown>, now: Record<string, unknown>): string[] {
  return Object.keys(now)
    .filter(key => String(before[key]) !== String(now[key]))
    .map(key => `${key} ${shown(now[key])} (was ${shown(before[key])})`)
}

function shown(value: unknown): string {
  return value === null || value === undefined || String(value) === '' ? 'none' : String(value)
}
