/** A simulated guest in a plain chroot, which shares the machine's network and host name. */

import { access, readFile, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type LoopbackNetwork, sshPortOf } from '../../network/lab-network.mts'
import { NO_TRAFFIC } from '../agent-protocol.mts'
import type { GuestStart } from '../driver.mts'
import { AGENT_PORT_PATH, type AgentClient, createAgentClient } from './agent.mts'
import { freeze, processesBelow, thaw } from './freeze.mts'
import { type GuestHost, prepareHardware } from './hardware.mts'
import type { Interface } from './network-config.mts'
import { endOf, type SimGuest, signalProcess, spawnOnConsole } from './process.mts'

const AS_SUBREAPER = join(import.meta.dirname, 'as-subreaper.pl')
const ENTER = join(import.meta.dirname, 'enter-loopback.sh')

/** Boots a guest with its SSH server on 127.0.0.1. Resolves when its process exists. */
export async function startLoopbackGuest(
  host: GuestHost & { network: LoopbackNetwork },
  guest: GuestStart,
): Promise<SimGuest> {
  const { folder, consolePath, interfaces, root, environment } = await prepareHardware(host, guest)
  if (root) await requireLoopbackRoot(root)
  const sshPort = sshPortOf(host.network, guest.vmid)
  await requireFreePort(sshPort, guest.vmid)
  // The link makes the path of the agent's Unix socket short: at most 107 bytes are allowed.
  const shortRoot = join(folder, 'root')
  await symlink(root ?? '/nonexistent', shortRoot)
  // Detached: a session of its own. Its standard input ends with the lab, however the lab ends.
  const child = await spawnOnConsole(consolePath, ['perl', AS_SUBREAPER, ENTER], {
    env: { ...environment, SSH_PORT: String(sshPort) },
    detached: true,
  })
  const ended = endOf(child, async () => {
    for (const { mac } of interfaces) host.leases.release(mac)
  })
  const pid = child.pid!
  return {
    exited: ended.exited,
    agent: withOwnIdentity(createAgentClient(join(shortRoot, AGENT_PORT_PATH)), shortRoot, interfaces),
    shutdown: async () => signalProcess(pid, 'SIGPWR'),
    stop: () => ended.pull(pid, 'SIGTERM'),
    pause: () => freeze(processesBelow(pid)),
    resume: () => thaw(processesBelow(pid)),
    console: () => readFile(consolePath, 'utf8'),
  }
}

/** Refuses a disk of an older image: its init would treat the machine's processes as its own. */
async function requireLoopbackRoot(root: string): Promise<void> {
  await access(join(root, 'usr/lib/lab/loopback.sh')).catch(() => {
    throw new Error('the disk is from an earlier lab and boots only with namespaces; import its image again')
  })
}

async function requireFreePort(port: number, vmid: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => {
      const message = `127.0.0.1:${port}, the SSH port of VM ${vmid}, cannot be used: ${error.message}`
      reject(new Error(message))
    })
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()))
  })
}

/**
 * Replaces two answers of the agent. The agent itself would report the machine's network and host name, so these
 * answers come from the guest's configuration. They still need a running agent.
 */
function withOwnIdentity(agent: AgentClient, root: string, interfaces: Interface[]): AgentClient {
  const own: Record<string, () => Promise<unknown>> = {
    'guest-network-get-interfaces': async () =>
      describeInterfaces(interfaces, await textOf(join(root, 'run/lab-addresses'))),
    'guest-get-host-name': async () => ({ 'host-name': (await textOf(join(root, 'etc/hostname'))).trim() }),
  }
  return async (command, args) => {
    const answer = own[command]
    if (!answer) return agent(command, args)
    await agent('guest-ping', {})
    return answer()
  }
}

/** @param configured lines such as `eth0 192.168.122.50/24`, which the guest's cloud-init wrote. */
function describeInterfaces(interfaces: Interface[], configured: string): unknown[] {
  const lines = configured.split('\n').map(line => line.split(' '))
  const addressesOf = (name: string): AgentAddress[] =>
    lines.filter(([owner]) => owner === name).map(([, address]) => describeAddress(address!))
  const loopback = { name: 'lo', mac: '00:00:00:00:00:00', addresses: ['127.0.0.1/8', '::1/128'] }
  return [
    { ...loopback, addresses: loopback.addresses.map(describeAddress) },
    ...interfaces.map(({ name, mac }) => ({ name, mac, addresses: addressesOf(name) })),
  ].map(({ name, mac, addresses }) => ({
    name,
    'hardware-address': mac,
    'ip-addresses': addresses,
    statistics: NO_TRAFFIC,
  }))
}

interface AgentAddress {
  'ip-address': string
  'ip-address-type': 'ipv4' | 'ipv6'
  prefix: number
}

function describeAddress(text: string): AgentAddress {
  const [address, prefix] = text.split('/')
  return {
    'ip-address': address!,
    'ip-address-type': address!.includes(':') ? 'ipv6' : 'ipv4',
    prefix: Number(prefix),
  }
}

function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
