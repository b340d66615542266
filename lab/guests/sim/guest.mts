import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { plugCable, unplugCable } from '../../network/bridge.mts'
import type { GuestStart, RunningGuest } from '../driver.mts'
import { AGENT_PORT_PATH, createAgentClient } from './agent.mts'
import { type Ended, endOf, signalProcess } from './ended.mts'
import { type GuestHost, prepareHardware } from './hardware.mts'
import type { Interface } from './network-config.mts'

const ENTER = join(import.meta.dirname, 'enter.sh')

/** Boots a guest in namespaces of its own. Resolves when its processes and network devices exist. */
export async function startGuest(host: GuestHost, guest: GuestStart): Promise<RunningGuest> {
  const { consolePath, interfaces, environment } = await prepareHardware(host, guest)
  const child = await spawnGuest(consolePath, environment)
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
    // Its mounts are seen by way of its init alone.
    agent: createAgentClient(`/proc/${initPid}/root/${AGENT_PORT_PATH}`),
    shutdown: async () => signalProcess(initPid, 'SIGPWR'),
    stop: () => ended.pull(initPid, 'SIGKILL'),
    console: () => readFile(consolePath, 'utf8'),
  }
}
