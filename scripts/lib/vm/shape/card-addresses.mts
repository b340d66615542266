/** Addresses of cards beside the first one of the VM, which Terraform writes: `ipconfigN` of Proxmox's cloud-init. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { propertiesOf } from '../../proxmox/property-string.mts'
import type { CardAddress, CardDesign, Entry, VmDesign } from '../../registry/entry.mts'
import { type Edit, edited } from './edit.mts'

/** The addresses of an entry. */
export type Addressed = Pick<Entry, 'address' | 'addresses'>

type Designed = Partial<Pick<VmDesign, 'cards' | 'cloudInit'>>

const KEYS = ['ip', 'gw', 'ip6', 'gw6'] as const
type Key = (typeof KEYS)[number]

/**
 * Lists what differs of the addresses. A guest takes them at its next boot.
 * A VM whose user-data is an ISO image has them in that image.
 */
export function addressEdits({ cards, cloudInit }: Designed, addressed: Addressed, config: VmConfig): Edit[] {
  if (cards === undefined || cloudInit?.delivery !== 'snippet') return []
  return cards.flatMap((card, number) => editsOf(card, number, addressed, config))
}

/** Lists the addresses that a card is to have beside the first one of the VM. */
export function addressesOfCard(number: number, { addresses = [] }: Addressed): CardAddress[] {
  return addresses.filter(({ card, leaving }) => card === number && !leaving)
}

function editsOf(card: CardDesign, number: number, addressed: Addressed, config: VmConfig): Edit[] {
  const present = propertiesOf(String(config[`ipconfig${number}`] ?? ''), 'ip')
  const wanted = wantedOf(card, number, addressed)
  const keys = KEYS.filter(key => number > 0 || isIpv6(addressed.address) !== key.endsWith('6'))
  const text = textOf(KEYS.map(key => [key, keys.includes(key) ? wanted.get(key) : present.get(key)]))
  return edited(`net${number} address`, [wordsOf(present, keys), wordsOf(wanted, keys)], 'reboot', {
    ...{ option: 'networks', atBoot: true },
    ...(text === '' ? { remove: [`ipconfig${number}`] } : { set: { [`ipconfig${number}`]: text } }),
  })
}

function wantedOf({ ip, ip6 }: CardDesign, number: number, addressed: Addressed): Map<Key, string> {
  const wanted = new Map<Key, string>()
  if (ip !== undefined) wanted.set('ip', ip)
  if (ip6 !== undefined) wanted.set('ip6', ip6)
  for (const { address, prefix, gateway } of addressesOfCard(number, addressed)) {
    const six = isIpv6(address)
    wanted.set(six ? 'ip6' : 'ip', `${address}/${prefix}`)
    if (gateway !== null) wanted.set(six ? 'gw6' : 'gw', gateway)
  }
  return wanted
}

function isIpv6(address: string): boolean {
  return address.includes(':')
}

function textOf(pairs: [Key, string | undefined][]): string {
  return pairs.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`])).join(',')
}

/** `10.0.0.5/24 by 10.0.0.1`; undefined where there is none. */
function wordsOf(values: ReadonlyMap<string, string>, keys: readonly Key[]): string | undefined {
  const words = (
    [
      ['ip', 'gw'],
      ['ip6', 'gw6'],
    ] as const
  )
    .filter(([key]) => keys.includes(key) && values.has(key))
    .map(([key, gateway]) => `${values.get(key)}${values.has(gateway) ? ` by ${values.get(gateway)}` : ''}`)
  return words.length === 0 ? undefined : words.join(' and ')
}
