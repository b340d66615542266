/** What a lab serves to its node and guests, and where guests are reached. */
export type LabNetwork = BridgeNetwork | LoopbackNetwork

interface Served {
  /** Below it the images and their SHA512SUMS. They are no qcow2 files: see lab/images/format.mts. */
  imagesUrl: string
  /** Below it one flat apt repository per image: `/debian-12/`. */
  packagesUrl: string
}

/** A network of its own, where each guest has an address. */
export interface BridgeNetwork extends Served {
  kind: 'bridge'
}

/** The machine's 127.0.0.1, where each guest has a port. */
export interface LoopbackNetwork extends Served {
  kind: 'loopback'
  /** Of the thousand ports for the guests' SSH servers. */
  firstSshPort: number
}

export const SSH_PORTS = 1000

/**
 * The port of a VM's SSH server on 127.0.0.1, told by its VMID alone, so that it is known before the VM exists.
 * Two VMs with the same last three digits cannot run at once.
 */
export function sshPortOf({ firstSshPort }: Pick<LoopbackNetwork, 'firstSshPort'>, vmid: number): number {
  return firstSshPort + (vmid % SSH_PORTS)
}

/** Tells a command in a lab on loopback where the guests' SSH servers are; nothing where each has an address. */
export function guestSshVariables(firstSshPort: number | null | undefined): Record<string, string> {
  return firstSshPort == null ? {} : { PROXMINT_GUEST_SSH: `127.0.0.1:${firstSshPort}` }
}
