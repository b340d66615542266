/** A simulated guest in namespaces of its own. */

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { plugCable, unplugCable } from '../../network/bridge.mts'
import type { GuestStart } from '../driver.mts'
import { AGENT_PORT_PATH, createAgentClient } from './agent.mts'
import { freeze, processesOf, thaw } from './freeze.mts'
import { type GuestHost, prepareHardware } from './hardware.mts'
import type { Interface } from './network-config.mts'
import { type Ended, endOf, type SimGuest, signalProcess, spawnOnConsole } from './process.mts'

const ENTER = join(import.meta.dirname, 'enter.sh')

const UNSHARE = [
  ...['--mount', '--uts', '--ipc', '--net', '--pid', '--fork', '--kill-child'],
  ...['--propagation', 'private', '--'],
]

/** Boots a guest in namespaces of its own. Resolves when its processes and network devices exist. */
export async function startGuest(host: GuestHost, guest: GuestStart): Promise<SimGuest> {
  const { consolePath, interfaces, environment } = await prepareHardware(host, guest)
  const child = await spawnOnConsole(consolePath, ['unshare', ...UNSHARE, ENTER], { env: environment }, [
    'pipe',
  ])
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

function runningGuest(initPid: number, consolePath: string, ended: Ended): SimGuest {
  return {
    exited: ended.exited,
    // The mounts of the guest are visible only through its init.
    agent: createAgentClient(`/proc/${initPid}/root/${AGENT_PORT_PATH}`),
    shutdown: async () => signalProcess(initPid, 'SIGPWR'),
    stop: () => ended.pull(initPid, 'SIGKILL'),
    pause: () => freeze(processesOf(initPid)),
    resume: () => thaw(processesOf(initPid)),
    console: () => readFile(consolePath, 'utf8'),
  }
}
