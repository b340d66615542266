import type { Acceptance } from '../packer/family.mts'
import type { Inspection } from './inspection.mts'

/** Observations of one clone. */
export interface CloneEvidence {
  vmid: number
  /** Name of the VM, and its expected host name. */
  name: string
  /** Reason why it does not run; undefined if it runs. */
  down: string | undefined
  /** True if the guest agent answered in time; undefined if it was not asked. */
  agent: boolean | undefined
  /** Addresses of its first network card with prefix length, from the guest agent. */
  addresses: string[]
  /** Configured address; undefined for DHCP. */
  wantedAddress: string | undefined
  /** Reason why the login failed; undefined if it worked or was not tried. */
  refused: string | undefined
  inside: Inspection | undefined
}

/** All observations of a test. The first clone has a larger disk; the second one's first boot was inspected. */
export interface Evidence {
  settings: Acceptance
  /** Slot -> volume of the VM template's disks: `scsi0` -> `tank:base-9000-disk-0`. */
  disks: Record<string, string>
  clones: [CloneEvidence, CloneEvidence]
  /** Growth of the first clone's disk. */
  grownBytes: number
  /** False if guests share the network of this machine, and so its ports. */
  ownNetwork: boolean
  /** Time limit of a boot in seconds. */
  bootSeconds: number
}
