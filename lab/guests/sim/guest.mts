import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { plugCable, unplugCable } from '../../network/bridge.mts'
import type { Leases } from '../../network/leases.mts'
import type { GuestExit, GuestStart, RunningGuest } from '../driver.mts'
import { createAgentClient } from './agent.mts'
import type { Interface } from './network-config.mts'
import { translateSeed } from './seed.mts'
import { readVolume, rootOf, type Volume } from './volume.mts'

const ENTER = join(import.meta.dirname, 'enter.sh')

export interface GuestHost {
  /** Folder for what belongs to running guests: consoles, and what each guest is told about its hardware. */
  runFolder: string
  leases: Leases
}

/** Boots a guest from its first disk. Resolves when its processes and network devices exist. */
export async function startGuest(host: GuestHost, guest: GuestStart): Promise<RunningGuest> {
  const folder = join(host.runFolder, String(guest.vmid))
  const interfaces = guest.nics.map((nic, index) => ({ name: `eth${index}`, mac: nic.mac.toLowerCase() }))
  const disk = guest.disks[0]
  const volume = disk && (await readVolume(disk.path))
  await rm(folder, { recursive: true, force: true })
  await describeHardware(join(folder, 'hardware'), host, guest, interfaces, volume)
  const consolePath = join(folder, 'console.log')
  const child = await spawnGuest(consolePath, bootEnvironment(folder, guest, volume))
  const cables = interfaces.map((_, index) => `v${guest.vmid}i${index}`)
  const ended = endOf(child, async () => {
    await Promise.all(cables.map(unplugCable))
    for (const { mac } of interfaces) host.leases.release(mac)
  })
  try {
    await powerOn(child, interfaces, cables)
    return runningGuest(await initOf(child), consolePath, ended)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** What the guest finds under /dev/lab. */
async function describeHardware(
  folder: string,
  host: GuestHost,
  guest: GuestStart,
  interfaces: Interface[],
  volume: Volume | undefined,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const leases = interfaces.map(({ mac }) => {
    const { address, gateway } = host.leases.lease(mac)
    return `${mac} ${address} ${gateway}\n`
  })
  await writeFile(join(folder, 'leases'), leases.join(''))
  if (volume) await writeFile(join(folder, 'root-size'), `${volume.sizeBytes}\n`)
  const seed = await translateSeed(guest.cloudInit, guest.cdroms, interfaces)
  if (!seed) return
  await mkdir(join(folder, 'cidata'), { mode: 0o700 })
  await writeFile(join(folder, 'cidata', 'plan.sh'), seed.plan)
  await writeFile(join(folder, 'cidata', 'user-data'), seed.userData)
}

function bootEnvironment(folder: string, guest: GuestStart, volume: Volume | undefined): NodeJS.ProcessEnv {
  const disk = guest.disks[0]
  // A linked clone shows the file system of what it is backed by, without the partition the kernel looks for.
  const root = volume?.partuuid && disk ? rootOf(volume.backing ?? disk.path) : ''
  return {
    PATH: process.env['PATH'],
    ROOT: root,
    PARTUUID: volume?.backing ? '' : (volume?.partuuid ?? ''),
    HARDWARE: join(folder, 'hardware'),
    AGENT_PORT: guest.agentChannel ? '1' : '0',
  }
}

async function spawnGuest(consolePath: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const console = await open(consolePath, 'w', 0o600)
  try {
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--fork', '--kill-child']
    return spawn('unshare', [...namespaces, '--propagation', 'private', '--', ENTER], {
      env,
      cwd: '/',
      stdio: ['pipe', console.fd, console.fd, 'pipe'],
    })
  } finally {
    await console.close()
  }
}

interface Ended {
  exited: Promise<GuestExit>
  /** Kills the guest; `exited` then says `stopped`. */
  kill(initPid: number): Promise<void>
}

function endOf(child: ChildProcess, cleanUp: () => Promise<void>): Ended {
  let pulled = false
  const exited = once(child, 'close').then(
    async ([code, signal]) => {
      await cleanUp().catch(() => undefined)
      if (pulled) return { reason: 'stopped' } as const
      if (code === 0) return { reason: 'poweroff' } as const
      return { reason: 'crashed', detail: `init ended with ${signal ?? code}` } as const
    },
    (error: Error) => ({ reason: 'crashed', detail: error.message }) as const,
  )
  return {
    exited,
    kill: async initPid => {
      pulled = true
      signalProcess(initPid, 'SIGKILL')
      await exited
    },
  }
}

/** Waits for the namespaces, connects the network devices and lets the guest boot. */
async function powerOn(child: ChildProcess, interfaces: Interface[], cables: string[]): Promise<void> {
  await namespacesReady(child)
  for (const [index, { name, mac }] of interfaces.entries()) {
    await plugCable({ hostInterface: cables[index]!, guestInterface: name, mac, pid: child.pid! })
  }
  child.stdin!.end('power on\n')
}

async function namespacesReady(child: ChildProcess): Promise<void> {
  const ready = child.stdio[3]!
  const failed = once(child, 'close').then(([code]) => {
    throw new Error(`the guest's namespaces could not be made: unshare ended with ${code}`)
  })
  failed.catch(() => undefined)
  await Promise.race([once(ready, 'data'), failed])
}

async function initOf(child: ChildProcess): Promise<number> {
  const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
  return Number(children.trim())
}

function runningGuest(initPid: number, consolePath: string, ended: Ended): RunningGuest {
  return {
    exited: ended.exited,
    agent: createAgentClient(initPid),
    shutdown: async () => signalProcess(initPid, 'SIGPWR'),
    stop: () => ended.kill(initPid),
    console: () => readFile(consolePath, 'utf8'),
  }
}

/** A guest that is gone already needs no signal. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
