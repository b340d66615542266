/** The lab's network: its addresses, and how guests are reached. */

/** The bridge and its addresses are the same in every lab, because each lab has its own namespace. */
export const BRIDGE = 'vmbr0'
export const BRIDGE_ADDRESS = '192.168.122.1'
export const PREFIX_LENGTH = 24

/** Range of last octets for DHCP. Static addresses can be above and below. */
export const FIRST_LEASE = 100
export const LAST_LEASE = 199

/** Returns the address with this last octet. */
export function addressInLab(host: number): string {
  return `192.168.122.${host}`
}

/** URLs that the lab serves to its node and guests, and how guests are reached. */
export type LabNetwork = BridgeNetwork | LoopbackNetwork

interface Served {
  /** Base URL of the images and their SHA512SUMS. See lab/images/format.mts for their format. */
  imagesUrl: string
  /** Base URL of the package sources: one flat apt repository per image, such as `/debian-12/`. */
  packagesUrl: string
}

/** A network of the lab's own. Each guest has an address. */
export interface BridgeNetwork extends Served {
  kind: 'bridge'
}

/** The machine's 127.0.0.1. Each guest has a port. */
export interface LoopbackNetwork extends Served {
  kind: 'loopback'
  /** First of the ports for the guests' SSH servers. */
  firstSshPort: number
}

/** Number of SSH ports of a lab on loopback. */
export const SSH_PORTS = 1000

/**
 * Returns the port of a VM's SSH server on 127.0.0.1. It depends on the VMID alone: a caller can know it before the
 * VM exists. Two VMs with the same last three digits cannot run at once.
 */
export function sshPortOf({ firstSshPort }: Pick<LoopbackNetwork, 'firstSshPort'>, vmid: number): number {
  return firstSshPort + (vmid % SSH_PORTS)
}

/** Returns the variable that names the SSH ports of guests on loopback; none with namespaces. */
export function guestSshVariables(firstSshPort: number | null | undefined): Record<string, string> {
  return firstSshPort == null ? {} : { PROXMINT_GUEST_SSH: `127.0.0.1:${firstSshPort}` }
}
