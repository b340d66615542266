/** A driver without guests, for tests of the API alone. A disk is a small JSON file, a running guest is state. */

import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { deferred } from '../core/deferred.mts'
import { labImageSize } from '../images/format.mts'
import { NO_TRAFFIC } from './agent-protocol.mts'
import {
  AgentCommandFailed,
  AgentNotRunning,
  type GuestDriver,
  type GuestExit,
  type GuestNic,
  type GuestStart,
  type RunningGuest,
} from './driver.mts'
import { staticAddresses } from './static-addresses.mts'

/** Content of a disk's file. */
interface DiskNote {
  /** Bytes. */
  size: number
  /** Path of the disk that a linked clone needs. */
  parent?: string
  /** First 16 bytes of the imported image, in hex. */
  image?: string
  /** The disk as it was in each snapshot. */
  snapshots?: Record<string, DiskNote>
}

async function readNote(path: string): Promise<DiskNote> {
  return JSON.parse(await readFile(path, 'utf8')) as DiskNote
}

function writeNote(path: string, note: DiskNote): Promise<void> {
  return writeFile(path, JSON.stringify(note))
}

function isQcow2(image: Buffer): boolean {
  return image.toString('latin1', 0, 4) === 'QFI\xfb'
}

/** Returns the disk's size in bytes: from a qcow2's header, otherwise the size of the file. */
function diskSize(image: Buffer): number {
  return isQcow2(image) && image.length >= 32 ? Number(image.readBigUInt64BE(24)) : image.length
}

async function importDisk(imagePath: string, target: string): Promise<number> {
  const image = await readFile(imagePath)
  const own = await labImageSize(imagePath)
  if (own !== undefined) {
    await writeNote(target, { size: own })
    return own
  }
  if (imagePath.endsWith('.qcow2') && !isQcow2(image)) throw new Error(`Image is not in qcow2 format`)
  const size = diskSize(image)
  await writeNote(target, { size, image: image.toString('hex', 0, 16) })
  return size
}

/** Reads a disk without its snapshots. @param snapshot reads it as it was in that one. */
async function readContent(path: string, snapshot?: string): Promise<DiskNote> {
  const { snapshots, ...present } = await readNote(path)
  const content = snapshot === undefined ? present : snapshots?.[snapshot]
  if (!content) throw new Error(`disk ${path} has no snapshot ${snapshot}`)
  return content
}

/** A full clone needs no other disk, even if its source is a linked clone. */
async function cloneDisk(
  source: string,
  target: string,
  mode: 'full' | 'linked',
  snapshot?: string,
): Promise<void> {
  const { parent: _, ...content } = await readContent(source, snapshot)
  await writeNote(target, mode === 'full' ? content : { ...content, parent: source })
}

async function snapshotDisk(path: string, name: string): Promise<void> {
  const note = await readNote(path)
  await writeNote(path, { ...note, snapshots: { ...note.snapshots, [name]: await readContent(path) } })
}

async function rollbackDisk(path: string, name: string): Promise<void> {
  const { snapshots } = await readNote(path)
  await writeNote(path, { ...(await readContent(path, name)), ...(snapshots && { snapshots }) })
}

async function deleteSnapshot(path: string, name: string): Promise<void> {
  const note = await readNote(path)
  const { [name]: _, ...snapshots } = note.snapshots ?? {}
  await writeNote(path, { ...note, snapshots })
}

function interfaceOf({ mac }: GuestNic, index: number, { cloudInit }: GuestStart): Record<string, unknown> {
  return {
    name: `eth${index}`,
    'hardware-address': mac.toLowerCase(),
    'ip-addresses': cloudInit === undefined ? [] : staticAddresses(cloudInit.networkConfig, mac),
    statistics: NO_TRAFFIC,
  }
}

/** Answers for a guest without an operating system: its network cards have the static addresses of its cloud-init drive. */
function answerAgent(guest: GuestStart, command: string): unknown {
  switch (command) {
    case 'guest-ping':
      return {}
    case 'guest-info':
      return {
        version: '0',
        supported_commands: ['guest-ping', 'guest-info'].map(name => ({ name, enabled: true })),
      }
    case 'guest-get-host-name':
      return { 'host-name': guest.name }
    case 'guest-network-get-interfaces':
      return guest.nics.map((nic, index) => interfaceOf(nic, index, guest))
    default:
      throw new AgentCommandFailed(`The command ${command} has not been found`)
  }
}

function runGuest(start: GuestStart): RunningGuest {
  const { promise: exited, resolve } = deferred<GuestExit>()
  return {
    exited,
    async agent(command) {
      if (!start.agentChannel) throw new AgentNotRunning()
      return answerAgent(start, command)
    },
    async shutdown() {
      resolve({ reason: 'poweroff' })
    },
    async stop() {
      resolve({ reason: 'stopped' })
    },
    pause: async () => {},
    resume: async () => {},
    async hibernate(path) {
      await writeNote(path, { size: start.memory * 1024 ** 2 })
      resolve({ reason: 'stopped' })
    },
    saveState: path => writeNote(path, { size: start.memory * 1024 ** 2 }),
    console: async () => '',
  }
}

export interface NoneDriver extends GuestDriver {
  /** Settings of the last start of each guest, by VMID. */
  readonly started: ReadonlyMap<number, GuestStart>
  /** Ends a guest as `poweroff` inside it would. */
  powerOff(vmid: number): Promise<void>
}

export function createNoneDriver(): NoneDriver {
  const started = new Map<number, GuestStart>()
  const guests = new Map<number, RunningGuest>()
  return {
    started,
    importDisk,
    ownImageSize: labImageSize,
    createDisk: (target, size) => writeNote(target, { size }),
    cloneDisk,
    snapshotDisk,
    rollbackDisk,
    deleteSnapshot,
    exportDisk: async (path, file, snapshot) => writeNote(file, await readContent(path, snapshot)),
    restoreDisk: copyFile,
    resizeDisk: async (path, size) => writeNote(path, { ...(await readNote(path)), size }),
    deleteDisk: path => rm(path, { force: true }),
    async start(start) {
      const guest = runGuest(start)
      started.set(start.vmid, start)
      guests.set(start.vmid, guest)
      void guest.exited.then(() => guests.delete(start.vmid))
      return guest
    },
    async powerOff(vmid) {
      await guests.get(vmid)?.shutdown()
    },
    async close() {
      for (const guest of guests.values()) await guest.stop()
    },
  }
}
