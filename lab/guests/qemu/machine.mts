/** A running QEMU process. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { run } from '../../core/process.mts'
import { plugTap, unplugCable } from '../../network/bridge.mts'
import type { CloudInitDrive, GuestExit, GuestStart, RunningGuest } from '../driver.mts'
import type { Accelerator } from './accelerator.mts'
import { openAgentChannel } from './agent.mts'
import { AGENT_FD, AGENT_PORT, driveIdOf, EFI_SLOT, machineArguments, QMP_FD } from './command-line.mts'
import { deleteSnapshot, snapshotDisk } from './disk.mts'
import { prepareFlash } from './ovmf.mts'
import { connectQmp, MachineGone, type Qmp, type QmpEvent } from './qmp.mts'
import { continueFrom, saveState, sendKeys } from './run-state.mts'
import { type RunningTpm, startTpm } from './tpm.mts'

interface MachineHost {
  /** Folder for files of running guests. */
  runFolder: string
  accelerator: Promise<Accelerator>
}

export interface Machine {
  guest: RunningGuest
  /** Paths of its disks. */
  paths: string[]
  /** Grows a disk while the guest runs. @param path one of `paths`, as below. */
  resizeDisk(path: string, sizeBytes: number): Promise<void>
  snapshotDisk(path: string, name: string): Promise<void>
  deleteSnapshot(path: string, name: string): Promise<void>
}

/** Time for QEMU to end after SIGTERM. */
const TERM_TIMEOUT_MS = 5000

/** Powers a VM on. Resolves when its processor runs. @throws {Error} with QEMU's own text. */
export async function startMachine(host: MachineHost, guest: GuestStart): Promise<Machine> {
  const folder = join(host.runFolder, String(guest.vmid))
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const seed = guest.cloudInit && {
    slot: guest.cloudInit.slot,
    path: await writeSeedIso(guest.cloudInit, folder),
  }
  const consolePath = join(folder, 'console.log')
  const taps = guest.nics.map((_, index) => `tap${guest.vmid}i${index}`)
  const flash = guest.uefi && (await prepareFlash(guest.uefi, folder))
  const parts = { accelerator: await host.accelerator, consolePath, seed, taps, flash }
  const tpm = guest.tpm && (await startTpm(guest.tpm, folder))
  const cleanUp = once(() => Promise.allSettled([...taps.map(unplugCable), tpm?.end()]))
  try {
    for (const tap of taps) await plugTap(tap)
    return await powerOn(guest, machineArguments(guest, parts), { folder, consolePath, tpm, cleanUp })
  } catch (error) {
    await cleanUp()
    throw error
  }
}

/** Lets a function run once; later calls get the result of the first. */
function once<T>(work: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: work() }
    return made.value
  }
}

/** Writes a NoCloud ISO as Proxmox does. Only its owner can read it: it may hold secrets. */
export async function writeSeedIso(drive: CloudInitDrive, folder: string): Promise<string> {
  const content = join(folder, 'cidata')
  await mkdir(content, { mode: 0o700 })
  await writeFile(join(content, 'user-data'), drive.userData)
  await writeFile(join(content, 'meta-data'), drive.metaData)
  await writeFile(join(content, 'network-config'), drive.networkConfig)
  const iso = join(folder, 'cloud-init.iso')
  await run('genisoimage', ['-quiet', '-joliet', '-rock', '-volid', 'cidata', '-output', iso, content])
  return iso
}

/** Parts of a machine outside of QEMU. */
interface Surroundings {
  folder: string
  consolePath: string
  tpm: RunningTpm | undefined
  cleanUp(): Promise<unknown>
}

async function powerOn(guest: GuestStart, args: string[], around: Surroundings): Promise<Machine> {
  const { folder, consolePath, tpm, cleanUp } = around
  const stdio = ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] as const
  const child = spawn('qemu-system-x86_64', args, { cwd: folder, stdio: [...stdio] })
  const channel = openAgentChannel(child.stdio[AGENT_FD] as Socket)
  const ended = endOf(child, cleanUp)
  const onEvent = ({ event, data }: QmpEvent): void => {
    if (event === 'VSERPORT_CHANGE' && data?.['id'] === AGENT_PORT) channel.setOpen(data['open'] === true)
  }
  const qmp = await connectQmp(child.stdio[QMP_FD] as Socket, onEvent).catch(async error => {
    // The socket ends only when QEMU ends. QEMU's own message is the better error.
    const exit = await ended.exited
    throw exit.reason === 'crashed' ? new Error(exit.detail) : error
  })
  if (guest.state !== undefined) await continueFrom(qmp)
  return { guest: runningGuest(qmp, channel, ended, consolePath), ...disksOf(qmp, guest, tpm) }
}

function runningGuest(
  qmp: Qmp,
  channel: ReturnType<typeof openAgentChannel>,
  ended: Ended,
  consolePath: string,
): RunningGuest {
  return {
    exited: ended.exited,
    agent: (command, args) => channel.ask(command, args),
    shutdown: () => press(qmp, 'system_powerdown'),
    reset: () => press(qmp, 'system_reset'),
    stop: ended.pull,
    console: () => readFile(consolePath, 'utf8'),
    pause: async () => void (await qmp.execute('stop')),
    resume: async () => void (await qmp.execute('cont')),
    async hibernate(path) {
      await qmp.execute('stop')
      await saveState(qmp, path)
      await ended.pull()
    },
    saveState: path => saveState(qmp, path),
    sendKey: keys => sendKeys(qmp, keys),
  }
}

function disksOf(qmp: Qmp, guest: GuestStart, tpm: RunningTpm | undefined): Omit<Machine, 'guest'> {
  const variables = guest.uefi?.variables
  const efiDisk = variables === undefined ? [] : [{ slot: EFI_SLOT, path: variables }]
  const disks = [...guest.disks, ...efiDisk]
  const deviceOf = (path: string): string => driveIdOf(disks.find(disk => disk.path === path)!.slot)
  const isTpm = (path: string): boolean => path === guest.tpm?.path
  return {
    paths: [...disks.map(({ path }) => path), ...(guest.tpm === undefined ? [] : [guest.tpm.path])],
    async resizeDisk(path, size) {
      await qmp.execute('block_resize', { device: deviceOf(path), size })
    },
    async snapshotDisk(path, name) {
      if (!isTpm(path))
        return void (await qmp.execute('blockdev-snapshot-internal-sync', { device: deviceOf(path), name }))
      await tpm!.save()
      await snapshotDisk(path, name)
    },
    async deleteSnapshot(path, name) {
      if (isTpm(path)) return deleteSnapshot(path, name)
      await qmp.execute('blockdev-snapshot-delete-internal-sync', { device: deviceOf(path), name })
    },
  }
}

/** Presses a button. Does nothing if the machine is off already. */
async function press(qmp: Qmp, command: 'system_powerdown' | 'system_reset'): Promise<void> {
  await qmp.execute(command).catch(error => {
    if (!(error instanceof MachineGone)) throw error
  })
}

interface Ended {
  exited: Promise<GuestExit>
  pull(): Promise<void>
}

/** Follows a process to its end. @param cleanUp runs before `exited` resolves. */
function endOf(child: ChildProcess, cleanUp: () => Promise<unknown>): Ended {
  let pulled = false
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    said = `${said}${text}`.slice(-2000)
  })
  const exited = new Promise<GuestExit>(resolve => {
    child.once('error', error => resolve({ reason: 'crashed', detail: error.message }))
    child.once('close', async (code, signal) => {
      await cleanUp()
      if (pulled) resolve({ reason: 'stopped' })
      else if (code === 0) resolve({ reason: 'poweroff' })
      else resolve({ reason: 'crashed', detail: said.trim() || `QEMU ended with ${signal ?? code}` })
    })
  })
  return {
    exited,
    async pull() {
      pulled = true
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), TERM_TIMEOUT_MS)
      await exited
      clearTimeout(timer)
    },
  }
}
