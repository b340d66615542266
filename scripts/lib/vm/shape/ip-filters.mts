/** Addresses that the firewall lets out of a card: its set `ipfilter-netN`. Pure. */
import type { VmDesign } from '../../registry/entry.mts'
import { type Addressed, addressesOfCard } from './card-addresses.mts'
import { type Edit, edited } from './edit.mts'

/** Contents of the sets `ipfilter-netN` that are there, by name. */
export type IpFilters = ReadonlyMap<string, readonly string[]>

/** Names the sets that the design decides about. */
export function filtersOf({ cards = [] }: Partial<Pick<VmDesign, 'cards'>>): string[] {
  return cards.flatMap(({ ipfilter }, number) => (ipfilter === undefined ? [] : [nameOf(number)]))
}

/** Lists what differs of them. A card whose filter is off has no set. */
export function filterEdits(
  { cards = [] }: Partial<Pick<VmDesign, 'cards'>>,
  addressed: Addressed,
  present: IpFilters,
): Edit[] {
  return cards.flatMap(({ ipfilter }, number) => {
    if (ipfilter === undefined) return []
    const name = nameOf(number)
    const has = present.get(name)
    const wanted = ipfilter ? addressesToLetOut(number, addressed) : undefined
    return edited(`net${number} ipfilter`, [textOf(has), textOf(wanted)], null, {
      option: 'networks',
      ipSet: { name, has, wanted },
    })
  })
}

function nameOf(number: number): string {
  return `ipfilter-net${number}`
}

function addressesToLetOut(number: number, addressed: Addressed): string[] {
  const further = addressesOfCard(number, addressed).map(({ address }) => address)
  return number === 0 ? [addressed.address, ...further] : further
}

function textOf(addresses: readonly string[] | undefined): string | undefined {
  if (addresses === undefined) return undefined
  return addresses.length === 0 ? 'no address' : addresses.toSorted().join(' ')
}
