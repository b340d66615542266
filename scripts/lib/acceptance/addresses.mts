import type { GuestInterface } from '../proxmox/get-guest-addresses.mts'
import type { CloneEvidence } from './evidence.mts'

/**
 * Addresses that other machines can reach, IPv4 first, without loopback and link-local ones.
 * @param mac MAC address of the network card, so that addresses of Docker do not count; undefined: all cards.
 */
export function reachableAddresses(
  interfaces: Pick<GuestInterface, 'mac' | 'addresses'>[],
  mac: string | undefined,
): string[] {
  const own = interfaces.filter(card => mac === undefined || card.mac === mac)
  const addresses = own
    .flatMap(card => card.addresses)
    .filter(address => !/^(127\.|169\.254\.|fe80:|::1\/)/i.test(address))
  return addresses.toSorted((a, b) => Number(a.includes(':')) - Number(b.includes(':')))
}

/** Address that both clones report, as they do if both have one machine-id. */
export function sharedAddress([first, second]: [CloneEvidence, CloneEvidence]): string | undefined {
  return first.addresses.find(address => second.addresses.includes(address))
}
