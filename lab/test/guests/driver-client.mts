import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../core/process.mts'
import type { GuestStart } from '../../guests/driver.mts'
import type { Image } from '../../images/image.mts'
import { ensureImage } from '../../images/simulated.mts'
import { PACKAGES_URL } from '../../network/bridge.mts'
import { chooseIsolation } from '../../network/isolation.mts'
import { isolatedCommand, joiningCommand } from '../../network/namespace.mts'
import { type Caller, callerOf } from '../../rpc.mts'

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

export interface DriverClient extends DriverHost {
  image: Image
}

export interface DriverHost {
  /** For volumes and keys; removed at the end. */
  folder: string
  /** Public key that `ssh` logs in with. */
  publicKey: string
  call: Caller
  /** Runs a program in the lab's network. */
  exec(argv: string[], input?: string): Promise<Ran>
  /** Logs in by key as soon as the guest answers. */
  ssh(address: string, command: string, user?: string): Promise<Ran>
  /** Ends the process that the driver is in, and with it the namespace, at once. */
  kill(): Promise<void>
  close(): Promise<void>
}

/** Options of ssh, scp and sftp towards a guest that nobody has met before. */
export const sshOptions = (folder: string): string[] =>
  [
    `IdentityFile=${join(folder, 'key')}`,
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectionAttempts=30',
    'ConnectTimeout=5',
  ].flatMap(option => ['-o', option])

/** The sim driver in a namespace of its own. */
export async function startDriver(): Promise<DriverClient> {
  const image = await ensureImage('debian-12', { packageSourceUrl: PACKAGES_URL })
  return { ...(await startHost('sim', [image])), image }
}

/** A driver in a namespace of its own, on a bridge. */
export async function startHost(kind: 'sim' | 'qemu', images: Image[]): Promise<DriverHost> {
  const isolation = await chooseIsolation()
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-driver-'))
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')])
  const host = join(import.meta.dirname, 'driver-host.mts')
  const [file, ...args] = isolatedCommand(isolation, [
    process.execPath,
    host,
    JSON.stringify([kind, folder, images]),
  ])
  const child = spawn(file!, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exec = (argv: string[], input?: string) => collect(joiningCommand(isolation, child.pid!, argv), input)
  return {
    folder,
    publicKey: (await readFile(join(folder, 'key.pub'), 'utf8')).trim(),
    call: callerOf(child),
    exec,
    ssh: (address, command, user = 'debian') =>
      exec(['ssh', ...sshOptions(folder), `${user}@${address}`, command]),
    async kill() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    async close() {
      if (child.connected) {
        const ended = once(child, 'exit')
        child.disconnect()
        await ended
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Runs a program to its end and collects what it prints. */
export function collect([file, ...args]: string[], input?: string): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(file!, args)
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', chunk => {
        output[name] += chunk
      })
    }
    child.on('error', reject)
    child.on('close', code => resolve({ code, ...output }))
    child.stdin.end(input)
  })
}

/** A guest with one disk and one network device; `changes` replace what a test is about. */
export function guestStart(disk: string, changes: Partial<GuestStart> = {}): GuestStart {
  return {
    vmid: 100,
    name: 'web',
    memory: 512,
    cores: 1,
    machine: 'pc',
    uefi: undefined,
    tpm: undefined,
    scsiController: 'virtio-scsi-single',
    disks: [{ slot: 'scsi0', path: disk }],
    cdroms: [],
    nics: [{ slot: 'net0', mac: 'BC:24:11:00:00:01', bridge: 'vmbr0', model: 'virtio' }],
    cloudInit: undefined,
    agentChannel: true,
    ...changes,
  }
}
