/** Interface between the lab's API server and the driver that runs its guests: `sim`, `qemu` or `none`. */

/** A disk of a VM. */
export interface GuestDisk {
  /** Config key: `scsi0`, `virtio1`, ... */
  slot: string
  /** Absolute path of the volume inside the lab's storage folder. The driver decides its format. */
  path: string
  /** Serial number that the guest sees; left out: none was given. */
  serial?: string
}

export interface GuestCdrom {
  slot: string
  /** Absolute path of the ISO file. */
  path: string
}

export interface GuestNic {
  /** Config key: `net0`, ... */
  slot: string
  mac: string
  bridge: string
  /** Proxmox's name of the model: `virtio`, `e1000`, ... */
  model: string
}

/** Kind of OVMF that a VM's config asks for (PVE/QemuServer/OVMF.pm). */
export interface OvmfKind {
  /** Size of its flash memory: `2m` is the old one. */
  type: '2m' | '4m'
  machine: GuestMachine
  /** True if its variables begin with Microsoft's keys, so that it refuses what they have not signed. */
  keys: boolean
}

/** UEFI firmware of a guest. */
export interface GuestUefi extends OvmfKind {
  /** Absolute path of the volume with its variables. Undefined: they are new at each start. */
  variables: string | undefined
}

export interface GuestTpm {
  /** Absolute path of the volume with its state. */
  path: string
  version: 'v1.2' | 'v2.0'
}

/** Chipset: `pc` is Intel's 440FX, with PCI; `q35` has PCI Express. */
export type GuestMachine = 'pc' | 'q35'

/** Content of a cloud-init drive (NoCloud files), as Proxmox generates it from the VM's config. */
export interface CloudInitDrive {
  userData: string
  metaData: string
  /** Network config of version 1, as Proxmox writes it for Linux guests. */
  networkConfig: string
}

export interface GuestCloudInit extends CloudInitDrive {
  /** Config key of its CD drive: `ide2`, ... */
  slot: string
}

/** Settings of a start, taken from the VM's config at that moment, as Proxmox does. */
export interface GuestStart {
  vmid: number
  name: string
  /** MiB. */
  memory: number
  cores: number
  machine: GuestMachine
  /** Undefined: SeaBIOS. */
  uefi: GuestUefi | undefined
  tpm: GuestTpm | undefined
  /** Controller of `scsiN` disks: `lsi`, `virtio-scsi-single`, ... */
  scsiController: string
  /** The guest boots from the first one. */
  disks: GuestDisk[]
  cdroms: GuestCdrom[]
  nics: GuestNic[]
  /** Undefined if the config has no cloud-init drive. */
  cloudInit: GuestCloudInit | undefined
  /** True if the VM's `agent` option gives the guest a channel for the agent. */
  agentChannel: boolean
  /** Path of a state that `hibernate` or `saveState` wrote. The guest continues there instead of booting. */
  state?: string | undefined
}

export type GuestExit = { reason: 'poweroff' } | { reason: 'stopped' } | { reason: 'crashed'; detail: string }

/** Error of `agent()` if nothing in the guest answers. The server answers with Proxmox's own text. */
export class AgentNotRunning extends Error {}

/** Error of `agent()` if the agent answers with an error of its own. */
export class AgentCommandFailed extends Error {}

export interface RunningGuest {
  /** Resolves when the guest has ended, for any reason. Never rejects. */
  readonly exited: Promise<GuestExit>
  /**
   * Sends a command of the QEMU guest agent protocol: `guest-ping`, `guest-network-get-interfaces`, ...
   * @returns the `return` value in the protocol's own shape.
   * @throws {AgentNotRunning} @throws {AgentCommandFailed}
   */
  agent(command: string, args: Record<string, unknown>): Promise<unknown>
  /** Presses the ACPI power button. Resolves before the guest is off: see `exited`. */
  shutdown(): Promise<void>
  /** Presses the reset button. Without this method the server stops and starts the guest. */
  reset?(): Promise<void>
  /** Pulls the plug, even of a paused guest. Resolves when the guest is gone. */
  stop(): Promise<void>
  /** Halts its processors. Memory and connections stay. Does nothing to a paused guest. */
  pause(): Promise<void>
  /** Lets the processors of a paused guest run again. */
  resume(): Promise<void>
  /**
   * Puts memory and processors aside and ends the guest. A start with this path as `state` continues it, once.
   * @param path new file; `deleteDisk` removes it, too.
   */
  hibernate(path: string): Promise<void>
  /** Copies the memory of a paused guest, which stays paused. Absent: the driver cannot. @param path as of `hibernate`. */
  saveState?(path: string): Promise<void>
  /** Sends keys in QEMU's names: `ret`, `ctrl-alt-delete`. Absent: nothing in the guest reads a keyboard. @throws for an unknown key. */
  sendKey?(keys: string): Promise<void>
  /** Reads the output on the serial console so far. */
  console(): Promise<string>
}

export interface GuestDriver {
  /**
   * Turns a disk image (an `import` volume) into a VM's volume.
   * @returns size of the disk that the guest sees, in bytes. @throws for an image that it cannot read.
   */
  importDisk(imagePath: string, target: string): Promise<number>
  /** Reads the bytes of the disk in an image of the driver's own format; undefined for other files. */
  ownImageSize?(imagePath: string): Promise<number | undefined>
  createDisk(target: string, sizeBytes: number): Promise<void>
  /** Makes the disk of a firmware's variables, which begins with those of the firmware. Absent: the disk is empty. */
  createEfiDisk?(target: string, kind: OvmfKind): Promise<void>
  /**
   * Copies a disk. A full clone is independent of its source; a linked clone needs it.
   * @param snapshot copies the disk as it was in that snapshot. Only for full clones.
   */
  cloneDisk(source: string, target: string, mode: 'full' | 'linked', snapshot?: string): Promise<void>
  /** Keeps the disk's present content under a name, even while a guest uses the disk. */
  snapshotDisk(path: string, name: string): Promise<void>
  /** Gives a disk that no guest uses the content and size of a snapshot. The snapshot stays. @throws if it is missing. */
  rollbackDisk(path: string, name: string): Promise<void>
  /** Removes a snapshot. Does nothing if it is missing. */
  deleteSnapshot(path: string, name: string): Promise<void>
  /** Writes a disk, as it was in a snapshot if one is given, to one new file, which `restoreDisk` reads. */
  exportDisk(path: string, file: string, snapshot?: string): Promise<void>
  /** Makes a disk from the file of `exportDisk`. */
  restoreDisk(file: string, target: string): Promise<void>
  /** Grows a disk, even while a guest uses it. Never shrinks it. The server updates the config. */
  resizeDisk(path: string, sizeBytes: number): Promise<void>
  /** Deletes a disk with its snapshots. */
  deleteDisk(path: string): Promise<void>
  start(guest: GuestStart): Promise<RunningGuest>
  /** Stops every guest it started. */
  close(): Promise<void>
}
