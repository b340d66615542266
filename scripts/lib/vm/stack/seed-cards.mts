/** The network in the seed of a VM: its cards by their MAC addresses. Pure. */
import { createHash } from 'node:crypto'
import type { SeedAddress, SeedCard } from '../../cloud-init/seed.mts'
import type { CardDesign, Entry } from '../../registry/entry.mts'
import type { VmSettings } from '../../terraform/vm-configuration.mts'
import { addressesOfCard } from '../shape/card-addresses.mts'

/** @param settings with all cards as they are in Proxmox. Until they are known, the seed has the first card alone. */
export function seedCardsOf(
  entry: Entry,
  { address, gateway, dns, cards }: Pick<VmSettings, 'address' | 'gateway' | 'dns' | 'cards'>,
): SeedCard[] {
  const planned: Pick<CardDesign, 'ip' | 'ip6'>[] = entry.design?.cards ?? [{}]
  return planned.flatMap((card, number) => {
    const mac = cards[number]?.mac ?? null
    if (number > 0 && mac === null) return []
    const further = addressesOfCard(number, entry)
    const own = further.map(
      (one): SeedAddress => ({ address: `${one.address}/${one.prefix}`, gateway: one.gateway }),
    )
    const { ip, ip6 } = card
    return [
      {
        ...{ mac, ...(ip && { ip }), ...(ip6 && { ip6 }) },
        addresses: number === 0 ? [{ address, gateway }, ...own] : own,
        dns: number === 0 ? dns : further.flatMap(one => one.dns),
        ...(number === 0 && { searchDomain: entry.design?.cloudInit?.searchDomain }),
      },
    ]
  })
}

/**
 * Names the instance for cloud-init. Each system of a VM that is rebuilt has its own, so that an undo does not let cloud-init
 * begin anew. It changes after a late mint, and with the addresses of cards that were wished, so
 * that cloud-init does its work again. Proxmox does the same with its own drive.
 */
export function instanceOf(entry: Entry): string {
  const { id, design, token, system } = entry
  const minted = design?.access?.mintLater && token?.id != null ? `-nft-${token.id}` : ''
  const ofSystem = system === undefined ? '' : `-system-${system}`
  return `${id}${minted}${ofSystem}${networkMark(entry)}`
}

function networkMark(entry: Entry): string {
  const { cards } = entry.design ?? {}
  if (cards === undefined) return ''
  const network = cards.map(({ ip, ip6 }, number) => [ip, ip6, addressesOfCard(number, entry)])
  return `-net-${createHash('sha256').update(JSON.stringify(network)).digest('hex').slice(0, 12)}`
}
