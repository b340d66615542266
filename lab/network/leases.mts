/** DHCP for simulated guests: the lab chooses an address when a guest starts. */

import { addressInLab, BRIDGE_ADDRESS, FIRST_LEASE, LAST_LEASE, PREFIX_LENGTH } from './lab-network.mts'

interface Lease {
  /** Address with prefix length: `192.168.122.100/24`. */
  address: string
  gateway: string
}

export interface Leases {
  /** Gives a MAC the address it had before, or the first free one. @throws {Error} if no address is left. */
  lease(mac: string): Lease
  /** Gives the address back. The MAC gets it again unless another one needed it meanwhile. */
  release(mac: string): void
}

export function createLeases(): Leases {
  const known = new Map<string, number>()
  const active = new Set<string>()

  function freeHost(): number {
    const taken = new Set(known.values())
    for (let host = FIRST_LEASE; host <= LAST_LEASE; host++) if (!taken.has(host)) return host
    const idle = [...known.keys()].find(mac => !active.has(mac))
    if (!idle)
      throw new Error(`no address left between ${addressInLab(FIRST_LEASE)} and ${addressInLab(LAST_LEASE)}`)
    const host = known.get(idle)!
    known.delete(idle)
    return host
  }

  return {
    lease(mac) {
      const key = mac.toLowerCase()
      const host = known.get(key) ?? freeHost()
      known.set(key, host)
      active.add(key)
      return { address: `${addressInLab(host)}/${PREFIX_LENGTH}`, gateway: BRIDGE_ADDRESS }
    },
    release(mac) {
      active.delete(mac.toLowerCase())
    },
  }
}
