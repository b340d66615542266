/** Addresses that Proxmox's cloud-init gives a VM. Pure. */
import { formatAddress, parseAddress } from '../../config/addresses.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { propertiesOf } from '../../proxmox/property-string.mts'

interface ConfiguredAddress {
  /** Number of the card. */
  card: number
  /** Canonical notation, without a prefix length. */
  address: string
  /** As Proxmox has it. */
  gateway: string | null
}

/** Lists the addresses with their cards. `dhcp` and `auto` are none. */
export function cardAddressesIn(config: VmConfig): ConfiguredAddress[] {
  return Object.entries(config).flatMap(([key, text]) => {
    const card = /^ipconfig(\d+)$/.exec(key)?.[1]
    if (card === undefined) return []
    const values = propertiesOf(String(text), 'ip')
    return (
      [
        ['ip', 'gw'],
        ['ip6', 'gw6'],
      ] as const
    ).flatMap(([own, by]) => {
      const address = parseAddress((values.get(own) ?? '').split('/')[0]!)
      const gateway = values.get(by) ?? null
      return address === undefined ? [] : [{ card: Number(card), address: formatAddress(address), gateway }]
    })
  })
}

/** Lists the addresses alone. */
export function addressesIn(config: VmConfig): string[] {
  return cardAddressesIn(config).map(({ address }) => address)
}
