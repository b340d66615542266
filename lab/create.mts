import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { chainVariables, type LabChain, writeChainFiles } from './chain/lab-chain.mts'
import { checkCluster } from './cluster/check.mts'
import type { ClusterDescription } from './cluster/description.mts'
import { cannotListen } from './core/lab-error.mts'
import { requireMachines } from './guests/qemu/requirements.mts'
import { ensureSecrets, labUserCfg, loginVariables, type PveVersion, type Secrets } from './identity.mts'
import type { Image, ImageName } from './images/image.mts'
import { ensureMachineImage } from './images/machine.mts'
import { ensureImage } from './images/simulated.mts'
import type { GuestKind, InsideReady, InsideSettings } from './inside.mts'
import { PACKAGES_URL } from './network/bridge.mts'
import { type Forwarder, forward } from './network/forward.mts'
import { chooseIsolation, type IsolationMode } from './network/isolation.mts'
import { guestSshVariables, sshPortOf } from './network/lab-network.mts'
import { requireLocal } from './network/listen-address.mts'
import { type Isolation, isolatedCommand, joiningCommand } from './network/namespace.mts'
import { type NodeSshAccess, sshVariables } from './node-ssh/access.mts'
import { ensureNodeKeys, type NodeKeys } from './node-ssh/keys.mts'
import type { Fault, FaultReport } from './pve/core/fault.mts'
import { checkFaults } from './pve/faults/read-faults.mts'
import { type Caller, callerOf } from './rpc.mts'

export interface LabOptions {
  /** Where the API is reached from outside the lab's network. Default 127.0.0.1 and a free port. */
  listen?: { host: string; port: number }
  /** Lets `listen` be an address that other machines reach. Default false. */
  public?: boolean
  /** Text in the format of Proxmox's user.cfg, in addition to the lab's own user. */
  userCfg?: string | undefined
  /** Of root@pam. Made up when not given. */
  rootPassword?: string | undefined
  /** Default 9. */
  pveVersion?: PveVersion
  /** `qemu`: VMs are real machines. `none`: they are only state. Default `sim`. */
  guests?: GuestKind
  /**
   * Nodes and storages. Default: what the state folder holds, or else one node `pve` with `local` and `tank`. A state
   * folder of another cluster is refused.
   */
  cluster?: ClusterDescription | undefined
  /** Cloud images to serve. Default Debian 12; none without guests. */
  images?: ImageName[]
  /** Default `auto`: namespaces where they are allowed, otherwise everything on 127.0.0.1. */
  isolation?: IsolationMode
  /** 1: work takes about as long as on a small machine; 0: every task ends at once. Default 1. */
  timeScale?: number
  /** With a chain, a block a second, and the contract of access credentials on it. Default false. */
  chain?: boolean
  /** What goes wrong from the start; see docs/lab-faults.md. */
  faults?: Fault[]
  /** Kept and taken up again. Default: a temporary folder, removed at the end. */
  stateFolder?: string | undefined
  /** One line about what takes its time. */
  onProgress?: (line: string) => void
}

export interface ExecOptions {
  cwd?: string
  /** Added to this process's environment and the login variables. */
  env?: NodeJS.ProcessEnv
  input?: string
}

export interface ExecResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface Lab {
  /** `https://127.0.0.1:PORT/api2/json`, the same inside and outside. */
  url: string
  caFile: string
  /** Environment variables that log in with the lab's API token. */
  tokenEnv: Record<string, string>
  rootPassword: string
  /** Root's SSH on the node, which reaches the lab's storages alone; the same inside and outside. */
  nodeSsh: NodeSshAccess
  /** Undefined where none was asked for. */
  chain: LabChain | undefined
  /** For the lab's node and `exec`: `SHA512SUMS` and `debian-12-genericcloud-amd64.qcow2` are below. */
  imagesUrl: string
  /** Of the process that holds the lab's namespaces, or of the lab itself where it has none. */
  pid: number
  isolation: Isolation
  /** First of the thousand SSH ports of a lab on loopback: see `sshPortOf`. */
  firstSshPort: number | undefined
  /**
   * Where a VM's SSH server is on 127.0.0.1, told before the VM exists. Undefined with namespaces: there each
   * guest has an address, and port 22.
   */
  sshPortOf(vmid: number): number | undefined
  /** Runs a program in the lab's network, where guests can be reached, and collects what it prints. */
  exec(argv: string[], options?: ExecOptions): Promise<ExecResult>
  /** The same with the caller's own streams. */
  spawn(argv: string[], options?: SpawnOptions): ChildProcess
  /** The serial console of a running guest so far. */
  console(vmid: number): Promise<string | undefined>
  /** What goes wrong on demand. */
  faults: LabFaults
  /** For other processes: a Unix socket with `GET`, `PUT` and `DELETE /faults`. */
  controlSocket: string
  /** Resolves when no task runs. */
  settled(): Promise<void>
  /** Stops every guest and forgets every VM, as on the first day. */
  reset(): Promise<void>
  /** Stops everything. A temporary state folder is removed. */
  close(): Promise<void>
  /** Settles when the lab ended, by `close` or by itself. */
  ended: Promise<void>
}

export interface LabFaults {
  /** Replaces all faults; counting begins anew. Rejects with a LabUsageError that names the first mistake. */
  set(faults: Fault[]): Promise<void>
  clear(): Promise<void>
  /** With how often each fitted and struck. */
  list(): Promise<FaultReport[]>
}

const CLOSE_TIMEOUT_MS = 15_000

/** Starts a lab: an embedded Proxmox VE with guests, in a network of its own where the machine allows that. */
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
    return labOf({ isolation, child, call, doors, ready, secrets, keys, chain })
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
    cluster: options.cluster && checkCluster(options.cluster),
    faults: checkFaults(options.faults ?? []),
    ownerPid: process.pid,
  }
}

/** Where a server inside listens so that one address is right on both sides: behind a forwarder, if there are two. */
interface Door {
  listen: { host: string; port: number }
  socketPath: string | undefined
  forwarder: Forwarder | undefined
}

async function openDoor(
  { kind }: Isolation,
  where: { host: string; port: number },
  socketPath: string,
): Promise<Door> {
  if (kind === 'loopback') return { listen: where, socketPath: undefined, forwarder: undefined }
  const forwarder = await listen(where, socketPath)
  return { listen: { host: '127.0.0.1', port: forwarder.port }, socketPath, forwarder }
}

async function closeDoors(doors: Door[]): Promise<void> {
  await Promise.all(doors.map(({ forwarder }) => forwarder?.close()))
}

async function listen(where: { host: string; port: number }, socketPath: string): Promise<Forwarder> {
  return forward(where, { path: socketPath }).catch(error => {
    throw cannotListen(where, error)
  })
}

function prepareImages(options: LabOptions): Promise<Image[]> {
  const names = options.images ?? (options.guests === 'none' ? [] : ['debian-12' as const])
  const [ensure, duration] =
    options.guests === 'qemu' ? [ensureMachineImage, 'two minutes'] : [ensureImage, 'half a minute']
  const onBuild = (name: ImageName) =>
    options.onProgress?.(`Making the ${name} image for the guests, which takes ${duration} the first time.`)
  return Promise.all(names.map(name => ensure(name, { packageSourceUrl: PACKAGES_URL, onBuild })))
}

/** In a session of its own, so that Ctrl-C reaches the lab only by way of this process. */
function spawnInside(isolation: Isolation): ChildProcess {
  const [file, ...args] = isolatedCommand(isolation, [
    process.execPath,
    // TypeScript in the repository, JavaScript in an installed package.
    join(import.meta.dirname, `inside${extname(import.meta.filename)}`),
  ])
  return spawn(file!, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

interface Parts {
  isolation: Isolation
  child: ChildProcess
  call: Caller
  doors: Door[]
  ready: InsideReady
  secrets: Secrets
  keys: NodeKeys
  chain: LabChain | undefined
}

function labOf({ isolation, child, call, doors, ready, secrets, keys, chain }: Parts): Lab {
  const pid = child.pid!
  const { url, caFile, network, nodeSshPort } = ready
  const firstSshPort = network.kind === 'loopback' ? network.firstSshPort : undefined
  const tokenEnv = loginVariables({ url, caFile, ...ready.home }, secrets)
  const ended = once(child, 'exit')
    .then(() => closeDoors(doors))
    .then(() => undefined)
  const variables = {
    ...tokenEnv,
    ...guestSshVariables(firstSshPort),
    ...sshVariables(keys.client.privateKey),
    ...chainVariables(chain?.configFile),
  }
  const start = (argv: string[], options: SpawnOptions = {}) => {
    const [file, ...args] = joiningCommand(isolation, pid, argv)
    return spawn(file!, args, { ...options, env: { ...variables, ...process.env, ...options.env } })
  }
  return {
    url,
    caFile,
    tokenEnv,
    rootPassword: secrets.rootPassword,
    nodeSsh: {
      host: '127.0.0.1',
      port: nodeSshPort,
      user: 'root',
      privateKeyFile: keys.clientKeyFile,
      hostKey: keys.host.publicKey,
    },
    chain,
    imagesUrl: network.imagesUrl,
    pid,
    isolation,
    firstSshPort,
    sshPortOf: vmid => (firstSshPort === undefined ? undefined : sshPortOf({ firstSshPort }, vmid)),
    exec: (argv, { input, ...options } = {}) => collect(start(argv, options), input),
    spawn: start,
    console: vmid => call('console', vmid),
    faults: {
      set: async faults => call('setFaults', checkFaults(faults)),
      clear: () => call('setFaults', []),
      list: () => call('faults'),
    },
    controlSocket: ready.controlSocket,
    settled: () => call('settled'),
    reset: () => call('reset'),
    close: () => closeLab(child, ended),
    ended,
  }
}

async function closeLab(child: ChildProcess, ended: Promise<void>): Promise<void> {
  const kill = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS)
  if (child.connected) child.disconnect()
  await ended
  clearTimeout(kill)
}

function collect(child: ChildProcess, input: string | undefined): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]!.setEncoding('utf8').on('data', chunk => {
        output[name] += chunk
      })
    }
    child.on('error', reject)
    child.on('close', code => resolve({ code, ...output }))
    child.stdin!.on('error', () => undefined)
    child.stdin!.end(input)
  })
}
