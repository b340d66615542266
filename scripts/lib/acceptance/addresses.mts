import type { CloneEvidence } from './evidence.mts'

interface GuestInterface {
  mac: string | undefined
  addresses: string[]
}

/**
 * Addresses of the network card with this MAC that others can reach: none of Docker's, none that a card gives
 * itself when nobody answers. IPv4 first. All cards where the MAC is not known.
 */
export function reachableAddresses(interfaces: GuestInterface[], mac: string | undefined): string[] {
  const own = interfaces.filter(card => mac === undefined || card.mac === mac)
  const addresses = own
    .flatMap(card => card.addresses)
    .filter(address => !/^(127\.|169\.254\.|fe80:|::1\/)/i.test(address))
  return addresses.toSorted((a, b) => Number(a.includes(':')) - Number(b.includes(':')))
}

/** An address that both clones say they have: then it is one machine that answers for both. */
export function sharedAddress([first, second]: [CloneEvidence, CloneEvidence]): string | undefined {
  return first.addresses.find(address => second.addresses.includes(address))
}
