/** Starts labs: the entry point of the package. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { writeChainFiles } from './chain/lab-chain.mts'
import { checkCluster } from './cluster/check.mts'
import type { ClusterDescription } from './cluster/description.mts'
import { type Address, cannotListen } from './core/listen.mts'
import { requireMachines } from './guests/qemu/requirements.mts'
import { ensureSecrets, labUserCfg, type PveVersion, type Secrets } from './identity.mts'
import type { Image, ImageName } from './images/image.mts'
import { ensureMachineImage } from './images/machine.mts'
import { ensureImage } from './images/simulated.mts'
import type { GuestKind, InsideReady, InsideSettings } from './inside.mts'
import { type Lab, labOf } from './lab.mts'
import { PACKAGES_URL } from './network/bridge.mts'
import { type Forwarder, forward } from './network/forward.mts'
import { chooseIsolation, type IsolationMode } from './network/isolation.mts'
import { requireLocal } from './network/listen-address.mts'
import { type Isolation, isolatedCommand } from './network/namespace.mts'
import { ensureNodeKeys } from './node-ssh/keys.mts'
import type { Fault } from './pve/core/fault.mts'
import { checkFaults } from './pve/faults/read-faults.mts'
import { callerOf } from './rpc.mts'

export type { ExecOptions, ExecResult, Lab, LabFaults } from './lab.mts'

export interface LabOptions {
  /** Address of the API outside the lab's network. Default: 127.0.0.1 and a free port. */
  listen?: Address
  /** Lets `listen` be an address that other machines reach. Default false. */
  public?: boolean
  /** Text in the format of Proxmox's user.cfg, in addition to the lab's own user. */
  userCfg?: string | undefined
  /** Password of root@pam. Default: a random one. */
  rootPassword?: string | undefined
  /** Default 9. */
  pveVersion?: PveVersion
  /** `sim`: a VM is a small container. `qemu`: a real machine. `none`: state alone. Default `sim`. */
  guests?: GuestKind
  /**
   * Nodes and storages. Default: those of the state folder, or else one node `pve` with `local` and `tank`.
   * `createLab` refuses a state folder of another cluster.
   */
  cluster?: ClusterDescription | undefined
  /** Cloud images to serve. Default: Debian 12, or none if `guests` is `none`. */
  images?: ImageName[]
  /** Default `auto`: namespaces if the machine allows them, otherwise everything on 127.0.0.1. */
  isolation?: IsolationMode
  /** Factor for the duration of tasks. 1: as on a small machine; 0: every task ends at once. Default 1. */
  timeScale?: number
  /**
   * Age that names and status in `/cluster/resources`, `/nodes` and pools can have, in seconds: time between two broadcasts
   * of a node. 0: they are always the present ones. Default: 10, as on Proxmox, times `timeScale`.
   */
  staleSeconds?: number
  /** Adds a chain with the contract of access credentials; it makes a block per second. Default false. */
  chain?: boolean
  /** Faults from the start on; see docs/lab-faults.md. */
  faults?: Fault[]
  /** Folder that keeps the state for later labs. Default: a temporary folder, removed at the end. */
  stateFolder?: string | undefined
  /** Called with one line before work that takes long. */
  onProgress?: (line: string) => void
}

/**
 * Starts a lab: an embedded Proxmox VE with guests. It has a network of its own if the machine allows that.
 * @throws {LabUsageError} for a wrong option. @throws {LabError} for a machine that lacks something.
 */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const isolation = await chooseIsolation(options.isolation)
  if (options.guests === 'qemu') await requireMachines(isolation)
  options.onProgress?.(`The lab runs in ${isolation.description}.`)
  const images = await prepareImages(options)
  const runFolder = await mkdtemp(join(tmpdir(), 'proxmint-lab-'))
  const doors: Door[] = []
  let child: ChildProcess | undefined
  try {
    const stateFolder = options.stateFolder ?? join(runFolder, 'state')
    await mkdir(stateFolder, { recursive: true, mode: 0o700 })
    const secrets = await ensureSecrets(stateFolder, options.rootPassword)
    const where = options.listen ?? { host: '127.0.0.1', port: 0 }
    requireLocal(where, options.public ?? false)
    const keys = await ensureNodeKeys(join(stateFolder, 'node-ssh'))
    const api = await openDoor(isolation, where, join(runFolder, 'api.sock'))
    doors.push(api)
    const ssh = await openDoor(isolation, { host: where.host, port: 0 }, join(runFolder, 'ssh.sock'))
    doors.push(ssh)
    const chainDoor = options.chain
      ? await openDoor(isolation, { host: '127.0.0.1', port: 0 }, join(runFolder, 'chain.sock'))
      : undefined
    if (chainDoor !== undefined) doors.push(chainDoor)
    child = spawnInside(isolation)
    const call = callerOf(child)
    const place: Place = {
      network: isolation.kind === 'loopback' ? 'loopback' : 'bridge',
      listen: api.listen,
      socketPath: api.socketPath,
      runFolder,
      dataFolder: join(stateFolder, 'pve'),
      nodeSsh: {
        listen: ssh.listen,
        socketPath: ssh.socketPath,
        hostKey: keys.host.privateKey,
        publicKey: keys.client.publicKey,
      },
      chain: chainDoor && { listen: chainDoor.listen, socketPath: chainDoor.socketPath },
    }
    const ready: InsideReady = await call('start', settingsOf(options, place, images, secrets))
    const chain = ready.chain && (await writeChainFiles(stateFolder, ready.chain))
    return labOf({ isolation, child, call, ready, secrets, keys, chain, cleanUp: () => closeDoors(doors) })
  } catch (error) {
    child?.kill('SIGKILL')
    await closeDoors(doors)
    await rm(runFolder, { recursive: true, force: true })
    throw error
  }
}

type Place = Pick<
  InsideSettings,
  'network' | 'listen' | 'socketPath' | 'runFolder' | 'dataFolder' | 'nodeSsh' | 'chain'
>

function settingsOf(options: LabOptions, place: Place, images: Image[], secrets: Secrets): InsideSettings {
  const version = options.pveVersion ?? 9
  return {
    ...place,
    images,
    secrets,
    version,
    guests: options.guests ?? 'sim',
    userCfg: labUserCfg(version, options.userCfg),
    timeScale: options.timeScale ?? 1,
    staleSeconds: options.staleSeconds,
    cluster: options.cluster && checkCluster(options.cluster),
    faults: checkFaults(options.faults ?? []),
    ownerPid: process.pid,
  }
}

/** Address of a server inside the lab. With namespaces a forwarder outside listens on the same port. */
interface Door {
  listen: Address
  socketPath: string | undefined
  forwarder: Forwarder | undefined
}

async function openDoor({ kind }: Isolation, where: Address, socketPath: string): Promise<Door> {
  if (kind === 'loopback') return { listen: where, socketPath: undefined, forwarder: undefined }
  const forwarder = await forward(where, { path: socketPath }).catch(error => {
    throw cannotListen(where, error)
  })
  return { listen: { host: '127.0.0.1', port: forwarder.port }, socketPath, forwarder }
}

async function closeDoors(doors: Door[]): Promise<void> {
  await Promise.all(doors.map(({ forwarder }) => forwarder?.close()))
}

function prepareImages(options: LabOptions): Promise<Image[]> {
  const names = options.images ?? (options.guests === 'none' ? [] : ['debian-12' as const])
  const [ensure, duration] =
    options.guests === 'qemu' ? [ensureMachineImage, 'two minutes'] : [ensureImage, 'half a minute']
  const onBuild = (name: ImageName): void =>
    options.onProgress?.(`Making the ${name} image for the guests, which takes ${duration} the first time.`)
  return Promise.all(names.map(name => ensure(name, { packageSourceUrl: PACKAGES_URL, onBuild })))
}

/** Starts the inner process in a session of its own. So Ctrl-C reaches the lab only through this process. */
function spawnInside(isolation: Isolation): ChildProcess {
  const [file, ...args] = isolatedCommand(isolation, [
    process.execPath,
    // TypeScript in the repository, JavaScript in an installed package.
    join(import.meta.dirname, `inside${extname(import.meta.filename)}`),
  ])
  return spawn(file!, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}
