/** The lab's network, the same in every lab since each has a namespace of its own. */
export const BRIDGE = 'vmbr0'
export const BRIDGE_ADDRESS = '192.168.122.1'
export const PREFIX_LENGTH = 24

/** Last octets of the addresses given to guests that ask by DHCP; static ones are left above and below. */
export const FIRST_LEASE = 100
export const LAST_LEASE = 199

export function addressInLab(host: number): string {
  return `192.168.122.${host}`
}
