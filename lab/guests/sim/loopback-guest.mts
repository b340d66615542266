import { type ChildProcess, spawn } from 'node:child_process'
import { access, open, readFile, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type LoopbackNetwork, sshPortOf } from '../../network/lab-network.mts'
import type { GuestStart, RunningGuest } from '../driver.mts'
import { AGENT_PORT_PATH, createAgentClient } from './agent.mts'
import { endOf, signalProcess } from './ended.mts'
import { type GuestHost, prepareHardware } from './hardware.mts'
import { tellOwnIdentity } from './loopback-agent.mts'

const AS_SUBREAPER = join(import.meta.dirname, 'as-subreaper.pl')
const ENTER = join(import.meta.dirname, 'enter-loopback.sh')

/** Boots a guest in a plain chroot, with its SSH server on 127.0.0.1. Resolves when its process exists. */
export async function startLoopbackGuest(
  host: GuestHost & { network: LoopbackNetwork },
  guest: GuestStart,
): Promise<RunningGuest> {
  const { folder, consolePath, interfaces, root, environment } = await prepareHardware(host, guest)
  if (root) await requireLoopbackRoot(root)
  const sshPort = sshPortOf(host.network, guest.vmid)
  await requireFreePort(sshPort, guest.vmid)
  // A short way there: the path of a Unix socket has at most 107 bytes.
  const shortRoot = join(folder, 'root')
  await symlink(root ?? '/nonexistent', shortRoot)
  const child = await spawnGuest(consolePath, { ...environment, SSH_PORT: String(sshPort) })
  const ended = endOf(child, async () => {
    for (const { mac } of interfaces) host.leases.release(mac)
  })
  const pid = child.pid!
  return {
    exited: ended.exited,
    agent: tellOwnIdentity(createAgentClient(join(shortRoot, AGENT_PORT_PATH)), shortRoot, interfaces),
    shutdown: async () => signalProcess(pid, 'SIGPWR'),
    stop: () => ended.pull(pid, 'SIGTERM'),
    console: () => readFile(consolePath, 'utf8'),
  }
}

/** The init of an older image would take the machine's processes for its own. */
async function requireLoopbackRoot(root: string): Promise<void> {
  await access(join(root, 'usr/lib/lab/loopback.sh')).catch(() => {
    throw new Error('the disk is from an earlier lab and only boots with namespaces; import its image again')
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

/** Detached: in a session of its own. Its standard input ends when the lab does, however that ended. */
async function spawnGuest(consolePath: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const console = await open(consolePath, 'w', 0o600)
  try {
    return spawn('perl', [AS_SUBREAPER, ENTER], {
      env,
      cwd: '/',
      detached: true,
      stdio: ['pipe', console.fd, console.fd],
    })
  } finally {
    await console.close()
  }
}
