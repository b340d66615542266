import type { Inspection } from './inspection.mts'

/** How a template family is tested: `acceptance` in its family.yaml. */
export interface AcceptanceSettings {
  /** `none`: only what Proxmox and the guest agent can tell. */
  login: 'ssh' | 'none'
  /** The user cloud-init makes on a clone; undefined: one of our own. */
  user: string | undefined
  agent: boolean
  /** TCP ports that may listen on more than loopback. */
  ports: number[]
  packages: 'dpkg' | 'pacman' | 'none'
}

/** What was found out about one clone. */
export interface CloneEvidence {
  vmid: number
  /** Also its host name. */
  name: string
  /** Why it does not run; undefined where it does. */
  down: string | undefined
  /** Whether the guest agent answered in time; undefined where it was not asked. */
  agent: boolean | undefined
  /** Of its first network card, as the agent tells them, with prefix length. */
  addresses: string[]
  /** The address it was given; undefined for DHCP. */
  wantedAddress: string | undefined
  /** Why nobody could log in; undefined where it worked or was not tried. */
  refused: string | undefined
  inside: Inspection | undefined
}

/** Everything the verdicts are made from. The first clone's disk was grown, the second's first boot was looked at. */
export interface Evidence {
  settings: AcceptanceSettings
  /** Volumes of the VM template's disks, by slot: `scsi0`: `tank:base-9000-disk-0`. */
  disks: Record<string, string>
  clones: [CloneEvidence, CloneEvidence]
  /** By how much the first clone's disk was grown. */
  grownBytes: number
  /** Whether a guest's listening ports are its own: not where guests share this machine's network. */
  ownNetwork: boolean
  /** How long the clones were given to boot, in seconds. */
  bootSeconds: number
}
