/** The cards of a VM, as a person wishes them and as pools complete them. Pure. */
import { contains, formatAddress, parseAddress } from '../../config/addresses.mts'
import type { Config } from '../../config/load.mts'
import { POOL_FILE, type Pool, type PoolConfig } from '../../config/pools.mts'
import type { OptionValue } from '../../config/vm-option-types.mts'
import type { CardDesign } from '../../registry/entry.mts'
import type { WantedAddress } from '../../registry/store.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { didYouMean } from '../../run/nearest.mts'
import { ownValue } from '../../run/own-value.mts'

/** One card as it is wished. */
export type CardWish = OptionValue<'networks'>[number]

/** The first address of a VM, by whatever means it is wished. */
interface FirstAddress {
  pool: Pool
  /** Canonical notation; undefined: the registry picks one. */
  address: string | undefined
}

export interface PlannedCards {
  first: FirstAddress
  cards: CardDesign[]
  further: WantedAddress[]
}

interface Given {
  pools: PoolConfig
  config: Pick<Config, 'bridge'>
  /** Of `--pool` and `--ip`. */
  pool?: string | undefined
  address?: string | undefined
}

type Family = 4 | 6

/** An address of a pool that a card is to have. */
interface Source {
  family: Family
  pool: Pool
  address: string | undefined
}

/**
 * Plans the cards of a VM. The first card has the first address of the VM, of its pool or of the default one.
 * @throws ProxmintError (usage) that names the card, for wishes that cannot be had.
 */
export function planCards(wishes: readonly CardWish[], given: Given): PlannedCards {
  const sources = wishes.map((wish, card) => sourcesOf(wish, card, given))
  const all = sources.flatMap((own, card) => own.map(source => ({ card, ...source })))
  const [first, ...further] = all
  return {
    first: { pool: first!.pool, address: first!.address },
    cards: wishes.map((wish, card) => cardOf(wish, card, sources[card]!, given.config)),
    further: further.map(({ card, family, pool, address }) => ({
      ...{ card, pool, address },
      routed: !hasRoute(
        wishes.slice(0, card),
        all.slice(
          0,
          all.findIndex(one => one.card === card),
        ),
        family,
      ),
    })),
  }
}

/** A second default route of one family would compete with the first. */
function hasRoute(before: readonly CardWish[], sources: readonly Source[], family: Family): boolean {
  const isDynamic = (wish: CardWish): boolean => dynamicOf(wish, family) !== undefined
  return (
    before.some(isDynamic) ||
    sources.some(source => source.family === family && source.pool.gateway !== undefined)
  )
}

function dynamicOf({ ip, ip6 }: CardWish, family: Family): string | undefined {
  const text = family === 4 ? ip : ip6
  return text === 'dhcp' || text === 'auto' ? text : undefined
}

function sourcesOf(wish: CardWish, card: number, given: Given): Source[] {
  const named = namedSources(wish, card, given)
  const sources = ([4, 6] as const).flatMap(family => {
    const own = named.find(source => source.family === family)
    const address = addressOf(wish, card, family)
    if (own !== undefined && dynamicOf(wish, family) !== undefined)
      throw refused(
        card,
        `has both an address of the pool ${own.pool.name} and ip${family === 6 ? 6 : ''}=${dynamicOf(wish, family)}`,
      )
    if (own !== undefined) return [{ ...own, address }]
    return address === undefined ? [] : [{ family, pool: poolOf(address, card, given.pools), address }]
  })
  return card === 0 ? firstSources(sources, wish, given) : sources
}

/** The pools that a card names. */
function namedSources({ pool, pool6 }: CardWish, card: number, { pools }: Given): Source[] {
  const named = [pool, pool6].flatMap(name =>
    name === undefined ? [] : [requirePoolNamed(name, card, pools)],
  )
  const sources = named.map(one => ({ family: one.range.family, pool: one, address: undefined }))
  if (pool6 !== undefined && sources.at(-1)!.family !== 6)
    throw refused(card, `has pool6=${pool6}, which is a pool of IPv4`)
  if (sources[1] !== undefined && sources[0]!.family === sources[1].family)
    throw refused(card, `has two pools of IPv6, ${pool} and ${pool6}: a card has one address of each family`)
  return sources
}

/** The very address that a card names. */
function addressOf({ ip, ip6 }: CardWish, card: number, family: Family): string | undefined {
  const text = family === 4 ? ip : ip6
  if (text === undefined || text === 'dhcp' || text === 'auto') return undefined
  const address = parseAddress(text)
  if (address?.family === family) return formatAddress(address)
  throw refused(card, `has ${text}, which is not an IPv${family} address`)
}

function poolOf(text: string, card: number, { pools }: PoolConfig): Pool {
  const found = Object.values(pools).find(({ range }) => contains(range, parseAddress(text)!))
  if (found !== undefined) return found
  throw refused(card, `has the address ${text}, which is in no pool of ${POOL_FILE}`)
}

function requirePoolNamed(name: string, card: number, { pools }: PoolConfig): Pool {
  const pool = ownValue(pools, name)
  if (pool !== undefined) return pool
  throw refused(card, `names the unknown pool ${name}${didYouMean(name, Object.keys(pools))}`, {
    known: Object.keys(pools).join(', '),
  })
}

/** The first card has what `--pool` and `--ip` say, unless it says it itself. */
function firstSources(sources: Source[], wish: CardWish, { pool, address, pools }: Given): Source[] {
  const [own, ...others] = sources
  if (own === undefined) {
    const usual = requirePoolNamed(pool ?? pools.defaultPool, 0, pools)
    const { family } = usual.range
    if (dynamicOf(wish, family) === undefined) return [{ family, pool: usual, address }]
    throw refused(0, `has no address of a pool, and the first card has the address by which the VM is known`)
  }
  if (pool !== undefined && pool !== own.pool.name)
    throw refused(0, `has an address of the pool ${own.pool.name}, and --pool is ${pool}`)
  if (address !== undefined && own.address !== undefined && address !== own.address)
    throw refused(0, `has the address ${own.address}, and --ip is ${address}`)
  return [{ ...own, address: own.address ?? address }, ...others]
}

function cardOf(wish: CardWish, card: number, sources: Source[], config: Given['config']): CardDesign {
  const { ip, ip6, bridge, vlan, pool: _, pool6: __, ...flags } = wish
  const dynamic: Pick<CardDesign, 'ip' | 'ip6'> = {
    ...(ip === 'dhcp' && { ip: 'dhcp' }),
    ...((ip6 === 'dhcp' || ip6 === 'auto') && { ip6 }),
  }
  if (flags.ipfilter && Object.keys(dynamic).length > 0)
    throw refused(card, 'has `ipfilter`, which needs addresses that are known: those of pools')
  if (flags.ipfilter && flags.firewall === false)
    throw refused(card, 'has `ipfilter` without `firewall`, which does nothing')
  if (flags.mtu !== undefined && (flags.model ?? 'virtio') !== 'virtio')
    throw refused(card, `has \`mtu\`, which a ${flags.model} card does not have`)
  const place = placeOf(sources, card, bridge !== undefined, config)
  return {
    bridge: bridge ?? place.bridge,
    vlan: vlan ?? (bridge === undefined ? place.vlan : null),
    ...dynamic,
    ...flags,
  }
}

/** Bridge and VLAN of the pools of a card. */
function placeOf(
  sources: Source[],
  card: number,
  isGiven: boolean,
  config: Given['config'],
): Pick<CardDesign, 'bridge' | 'vlan'> {
  const places = sources.map(({ pool }) => ({
    bridge: pool.bridge ?? config.bridge,
    vlan: pool.vlan ?? null,
  }))
  const [first = { bridge: config.bridge, vlan: null }, second = first] = places
  if (isGiven || (first.bridge === second.bridge && first.vlan === second.vlan)) return first
  throw refused(
    card,
    `has pools on two networks, ${placeText(first)} and ${placeText(second)}: give \`bridge\` and \`vlan\``,
  )
}

function placeText({ bridge, vlan }: Pick<CardDesign, 'bridge' | 'vlan'>): string {
  return vlan === null ? bridge : `${bridge}, VLAN ${vlan}`
}

function refused(card: number, what: string, facts: Record<string, string> = {}): ProxmintError {
  return new ProxmintError(`the card net${card} ${what}`, {
    facts,
    hint: 'correct --network, or `networks` in the fleet file or in config/vm.yaml; docs/vm-cards-and-disks.md, "Cards"',
    exitCode: exitCodes.usage,
  })
}
