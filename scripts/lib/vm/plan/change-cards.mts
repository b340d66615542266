/** Other cards for a VM that exists. Only the registry changes here: `converge` brings them to Proxmox. */
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../../config/load.mts'
import type { PoolConfig } from '../../config/pools.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import type { CardAddress, Entry } from '../../registry/entry.mts'
import type { WantedAddress } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import type { VmContext } from '../context.mts'
import { knownPartsOf, partsOf } from '../look/parts.mts'
import { cardNumbers } from '../shape/cards.mts'
import { type CardWish, type PlannedCards, planCards } from './cards.mts'
import { networkDesign, requireCardNetworks } from './network.mts'
import { requireCardPrivileges } from './requirements.mts'

/** What the registry is to write down. */
export interface CardsChange {
  planned: PlannedCards
  /** Addresses that the VM does not have yet. */
  missing: WantedAddress[]
  /** Entry with the new cards. An address that no card is to have is marked, and stays taken. Pure. */
  revise: (entry: Entry) => Entry
}

/**
 * Plans other cards for a VM. The first card keeps the first address. Pure.
 * @param config of the VM in Proxmox; undefined: it was reserved only.
 * @throws ProxmintError (usage) for cards that cannot be had, (invalid) if somebody added a card in the place of a new one.
 */
export function planCardsChange(
  entry: Entry,
  wishes: readonly CardWish[],
  config: VmConfig | undefined,
  site: { pools: PoolConfig; config: Pick<Config, 'bridge'> },
): CardsChange {
  const planned = planCards(wishes, { ...site, ...firstOf(entry, wishes[0]) })
  requireFirst(entry, planned)
  if (config !== undefined) requireNoForeignCard(entry, planned, config)
  const has = entry.addresses ?? []
  return {
    planned,
    missing: planned.further.filter(wanted => !has.some(one => isSame(one, wanted))),
    revise: one => revised(one, wishes, planned, config),
  }
}

/**
 * Plans the cards that were asked for, and checks that they can be had.
 * @param wishes undefined: nobody asked.
 * @param config of the VM in Proxmox; undefined: it was reserved only.
 * @returns undefined if nothing of the cards changes.
 * @throws ProxmintError as `planCardsChange`, and (denied, invalid) for networks that the identity may not use or the node
 *   does not have.
 */
export async function cardsChangeFor(
  entry: Entry,
  wishes: readonly CardWish[] | undefined,
  config: VmConfig | undefined,
  { connection }: VmContext,
): Promise<CardsChange | undefined> {
  const { design, name, node, vmid } = entry
  if (wishes === undefined || design === null || isDeepStrictEqual(design.networks, wishes)) return undefined
  const [pools, siteConfig] = await Promise.all([connection.site.pools(), connection.site.config()])
  const change = planCardsChange(entry, wishes, config, { pools, config: siteConfig })
  const { first, cards, further } = change.planned
  await requireCardPrivileges(connection, `the cards of ${name}`, vmid, cards)
  const all = [{ card: 0, pool: first.pool }, ...further]
  await requireCardNetworks(connection, node!, { network: design.network, cards }, card =>
    all.flatMap(one => (one.card === card ? [one.pool] : [])),
  )
  return change
}

/** A first card that names no address keeps the one that it has. */
function firstOf({ pool, address }: Entry, wish: CardWish = {}): { pool?: string; address?: string } {
  const { pool: named, pool6, ip, ip6 } = wish
  const isStatic = [ip, ip6].some(text => text !== undefined && text !== 'dhcp' && text !== 'auto')
  return named === undefined && pool6 === undefined && !isStatic ? { pool, address } : {}
}

function requireFirst({ name, pool, address }: Entry, { first }: PlannedCards): void {
  if (first.pool.name === pool && (first.address ?? address) === address) return
  throw new ProxmintError(`the first address of ${name} is ${address} of the pool ${pool}, and it stays`, {
    hint: `name that pool for the first card: pool=${pool}; a further address can be of another pool`,
    exitCode: exitCodes.usage,
  })
}

function requireNoForeignCard(entry: Entry, { cards }: PlannedCards, config: VmConfig): void {
  const own = entry.design?.cards?.length ?? 1
  const { foreignDevices } = partsOf(config, knownPartsOf(entry))
  const foreign = cardNumbers(config).find(
    number =>
      number >= own && number < cards.length && foreignDevices.some(one => one.slot === `net${number}`),
  )
  if (foreign === undefined) return
  throw new ProxmintError(`somebody added the card net${foreign} to ${entry.name} in Proxmox`, {
    facts: { card: String(config[`net${foreign}`]) },
    hint: 'proxmint takes no card of somebody else: remove it in Proxmox, then run the same command again',
    exitCode: exitCodes.invalid,
  })
}

function isSame(one: CardAddress, { card, pool, address = one.address }: WantedAddress): boolean {
  return one.card === card && one.pool === pool.name && one.address === address
}

function revised(
  entry: Entry,
  wishes: readonly CardWish[],
  planned: PlannedCards,
  config: VmConfig | undefined,
): Entry {
  const { addresses, ...rest } = entry
  const design = entry.design!
  const known = addresses?.map(one => addressAsPlanned(one, planned))
  // Of a VM that was never made, nobody has an address yet.
  const kept = config === undefined ? known?.filter(one => !one.leaving) : known
  return {
    ...rest,
    ...(kept && kept.length > 0 && { addresses: kept }),
    design: {
      ...design,
      networks: [...wishes],
      ...networkDesign(design.network, planned.cards),
      ...(config && { made: madeWith(entry, planned, config) }),
    },
  }
}

/** Slots of the VM that are ours, with those of its cards. */
function madeWith(entry: Entry, { cards }: PlannedCards, config: VmConfig): string[] {
  const slots = entry.design?.made ?? partsOf(config, knownPartsOf(entry)).ours.map(({ slot }) => slot)
  return [...new Set([...slots, ...cards.map((_, number) => `net${number}`)])]
}

function addressAsPlanned({ leaving: _, ...one }: CardAddress, { further }: PlannedCards): CardAddress {
  const wanted = further.find(other => isSame(one, other))
  if (wanted === undefined) return { ...one, leaving: true }
  const { prefix, gateway, dns } = wanted.pool
  return { ...one, prefix, gateway: wanted.routed ? (gateway ?? null) : null, dns }
}
