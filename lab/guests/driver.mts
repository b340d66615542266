/** What the lab's API server asks of whatever runs its guests. `sim` and `qemu` both implement it. */

/** A disk of a VM: the storage's own path for it, and what the VM's config says about it. */
export interface GuestDisk {
  /** Config key: `scsi0`, `virtio1`, ... */
  slot: string
  /** Absolute path of the volume inside the lab's storage folder. The driver owns its format. */
  path: string
}

export interface GuestCdrom {
  slot: string
  /** Absolute path of the ISO file as it was uploaded. */
  path: string
}

export interface GuestNic {
  /** Config key: `net0`, ... */
  slot: string
  mac: string
  bridge: string
  /** As Proxmox names it: `virtio`, `e1000`, ... */
  model: string
}

/** The cloud-init drive as Proxmox generates it from the VM's config (NoCloud file contents). */
export interface CloudInitDrive {
  userData: string
  metaData: string
  /** Network config version 1, as Proxmox writes it for Linux guests. */
  networkConfig: string
}

export interface GuestCloudInit extends CloudInitDrive {
  /** Config key of the CD it is attached as: `ide2`, ... */
  slot: string
}

/** Everything a start needs to know; taken from the VM's config at that moment, as Proxmox does. */
export interface GuestStart {
  vmid: number
  name: string
  /** In MiB. */
  memory: number
  cores: number
  /** What `scsiN` disks are attached to: `lsi`, `virtio-scsi-single`, ... */
  scsiController: string
  /** The first one is booted. */
  disks: GuestDisk[]
  cdroms: GuestCdrom[]
  nics: GuestNic[]
  /** Undefined when the config has no cloud-init drive. */
  cloudInit: GuestCloudInit | undefined
  /** Whether the VM's `agent` option gives the guest a channel for the agent. */
  agentChannel: boolean
}

export type GuestExit = { reason: 'poweroff' } | { reason: 'stopped' } | { reason: 'crashed'; detail: string }

/** Thrown by `agent()` when nothing in the guest answers; the server turns it into PVE's own words. */
export class AgentNotRunning extends Error {}

/** Thrown by `agent()` when the agent answered with an error of its own. */
export class AgentCommandFailed extends Error {}

export interface RunningGuest {
  /** Settles when the guest no longer runs, whoever ended it. Never rejects. */
  readonly exited: Promise<GuestExit>
  /**
   * One command of the QEMU guest agent protocol (`guest-ping`, `guest-network-get-interfaces`, ...)
   * and its `return` value in the protocol's own shape.
   */
  agent(command: string, args: Record<string, unknown>): Promise<unknown>
  /** ACPI power button. Resolves when sent, not when the guest is off: see `exited`. */
  shutdown(): Promise<void>
  /** The reset button, where the machine has one: it stays the same process. Otherwise the plug is pulled. */
  reset?(): Promise<void>
  /** Pulls the plug. Resolves when the guest is gone. */
  stop(): Promise<void>
  /** The serial console so far. */
  console(): Promise<string>
}

export interface GuestDriver {
  readonly name: 'sim' | 'qemu' | 'none'
  /**
   * Turns a downloaded disk image (an `import` volume) into a VM's volume. Resolves to the size of the disk that
   * the guest sees, in bytes. Rejects on an image it cannot read.
   */
  importDisk(imagePath: string, target: string): Promise<number>
  createDisk(target: string, sizeBytes: number): Promise<void>
  /** A full clone is independent of its source; a linked one keeps needing it. */
  cloneDisk(source: string, target: string, mode: 'full' | 'linked'): Promise<void>
  /** Grows only, also while a guest uses it; the size in the config is the server's business. */
  resizeDisk(path: string, sizeBytes: number): Promise<void>
  deleteDisk(path: string): Promise<void>
  start(guest: GuestStart): Promise<RunningGuest>
  /** Stops every guest it started. */
  close(): Promise<void>
}
