/** Network cards of a VM: what of them differs, and what a change costs. The rest of a card stays as it is. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { withProperty } from '../../proxmox/property-string.mts'
import type { CardDesign, VmDesign } from '../../registry/entry.mts'
import type { Cost } from '../../terraform/costs.mts'
import { type CardText, readCard, withModel } from './card-text.mts'
import { type Edit, edited, NONE } from './edit.mts'

type CardsOfDesign = Pick<VmDesign, 'network'> & Partial<Pick<VmDesign, 'cards' | 'made'>>

/** Lists what differs of the cards that the design has, and the cards that it has no more. */
export function cardEdits({ network, cards, made }: CardsOfDesign, config: VmConfig): Edit[] {
  const { bridge, vlan } = network
  const wanted = cards ?? [{ bridge, vlan }]
  // A pool decides about the one card.
  const option = cards === undefined ? {} : { option: 'networks' }
  return [
    ...wanted.flatMap((card, number) => editsOf(card, number, config, option)),
    ...(cards === undefined ? [] : cardsTooMany(cards.length, made ?? [], config)),
  ]
}

/** Lists the numbers of the cards in a config, the lowest first. */
export function cardNumbers(config: VmConfig): number[] {
  return Object.keys(config)
    .flatMap(key => /^net(\d+)$/.exec(key)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

/** One value of a card; undefined: it has none, or nobody decided it. */
interface Aspect {
  what: string
  from: string | undefined
  to: string | undefined
  cost: Cost | null
  change: (text: string) => string
}

function editsOf(card: CardDesign, number: number, config: VmConfig, option: Pick<Edit, 'option'>): Edit[] {
  const before = String(config[`net${number}`] ?? '')
  const present = readCard(before)
  const aspects = aspectsOf(card, present).filter(({ from, to }) => from !== to)
  const text = aspects.reduce((changed, { change }) => change(changed), before || 'virtio')
  return aspects.flatMap(({ what, from, to, cost }) =>
    edited(wordsFor(number, what), [from, to], before === '' ? null : cost, {
      ...option,
      set: { [`net${number}`]: text },
    }),
  )
}

/**
 * Costs as `vmconfig_update_net` of Proxmox has them: another model, MAC address or MTU unplugs the card and plugs in
 * another one, and so does the first bridge of a card that has none.
 */
function aspectsOf(card: CardDesign, present: CardText): Aspect[] {
  const { model, mac, found } = present
  const wanted = { model: card.model ?? model, mac: card.mac?.toUpperCase() ?? mac }
  const flag = (key: string): string => (found.get(key) === '1' ? 'on' : 'off')
  const property = (key: string, text: string | undefined) => (card: string) => withProperty(card, key, text)
  const bridged: Cost | null = found.has('bridge') ? null : 'remove'
  const vlan = card.vlan === null ? undefined : String(card.vlan)
  const remodel = (text: string): string => withModel(text, wanted.model, wanted.mac)
  const firewall = card.firewall === undefined ? flag('firewall') : card.firewall ? 'on' : 'off'
  const rate = String(Number(found.get('rate') ?? 0))
  return [
    { what: 'model', from: model, to: wanted.model, cost: 'remove', change: remodel },
    {
      what: 'MAC address',
      from: mac?.toUpperCase(),
      to: wanted.mac?.toUpperCase(),
      cost: 'remove',
      change: remodel,
    },
    {
      ...{ what: 'bridge', from: found.get('bridge'), to: card.bridge, cost: bridged },
      change: property('bridge', card.bridge),
    },
    { what: 'VLAN', from: found.get('tag'), to: vlan, cost: null, change: property('tag', vlan) },
    {
      ...{
        what: 'MTU',
        from: found.get('mtu'),
        to: card.mtu === undefined ? found.get('mtu') : String(card.mtu),
      },
      ...{ cost: 'remove', change: property('mtu', String(card.mtu)) },
    },
    {
      ...{ what: 'rate', from: rate, to: String(card.rate ?? rate), cost: null },
      change: property('rate', card.rate ? String(card.rate) : undefined),
    },
    {
      ...{ what: 'firewall', from: flag('firewall'), to: firewall, cost: null },
      change: property('firewall', firewall === 'on' ? '1' : undefined),
    },
  ]
}

/** The first card had these words alone. */
function wordsFor(number: number, what: string): string {
  return number === 0 && (what === 'bridge' || what === 'VLAN') ? what : `net${number} ${what}`
}

/** Cards that proxmint made and the design has no more. Those that somebody else added stay. */
function cardsTooMany(length: number, made: readonly string[], config: VmConfig): Edit[] {
  return cardNumbers(config)
    .filter(number => number >= length && made.includes(`net${number}`))
    .map(number => {
      const keys = [`net${number}`, `ipconfig${number}`].filter(key => config[key] !== undefined)
      const from = readCard(String(config[`net${number}`])).found.get('bridge') ?? 'no bridge'
      return {
        ...{ option: 'networks', change: { what: `net${number}`, from, to: NONE, cost: 'remove' as const } },
        remove: keys,
      }
    })
}
