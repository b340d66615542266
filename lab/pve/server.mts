/** An HTTPS server that clients take for one node of Proxmox VE. */

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { GuestDriver } from '../guests/driver.mts'
import { hashPassword, passwordMatches } from './access/secrets.mts'
import {
  adoptCluster,
  type Cluster,
  type ClusterSpec,
  clusterOf,
  firstNode,
  type Home,
  homeOf,
  singleNode,
  storagesOn,
} from './core/cluster.mts'
import type { Fault, FaultReport } from './core/fault.mts'
import { type MajorVersion, privilegesOf } from './core/privileges.mts'
import type { Pve } from './core/pve.mts'
import { initialState, type State, type TaskRecord, type VmConfig } from './core/state.mts'
import { lockState, type StateLock } from './core/state-lock.mts'
import { openStore, withoutPrototypes } from './core/store.mts'
import { writeUserCfg } from './core/user-cfg.mts'
import { createVmLocks } from './core/vm-locks.mts'
import { diskFaults } from './faults/disk-faults.mts'
import { createFaults } from './faults/faults.mts'
import { lockFaults } from './faults/lock-faults.mts'
import { midway } from './faults/task-faults.mts'
import { createDispatcher } from './http/dispatch.mts'
import { listenHttp } from './http/listen.mts'
import { ensureCertificate } from './nodes/certificates.mts'
import { routes } from './routes.mts'
import { createFolders } from './storage/files.mts'
import { removeHalfFiles } from './storage/half-files.mts'
import { endInterrupted } from './tasks/interrupted.mts'
import { createTasks } from './tasks/tasks.mts'

export interface PveServerOptions {
  /** Port 0 picks a free one. */
  listen: { host: string; port: number }
  /** A Unix socket that takes the same requests without TLS, for a forwarder. */
  socketPath?: string
  /** Absolute folder for state, certificates and storages; what is in it is taken up again. */
  dataDir: string
  /** Runs the guests. Whoever made it closes it, after the server. */
  driver: GuestDriver
  version?: MajorVersion
  /** Of root@pam. */
  rootPassword: string
  /** Text in the format of Proxmox's user.cfg; read only where `dataDir` holds no state yet. */
  userCfg?: string
  /** Secrets of the API tokens in `userCfg`, by full token id. */
  tokenSecrets?: Record<string, string>
  /** Passwords of the users in `userCfg`, by user id. */
  passwords?: Record<string, string>
  /** 1: simulated work takes about as long as on a small machine; 0: it ends at once. Default 1. */
  timeScale?: number
  /** What goes wrong from the start, and again after a reset. */
  faults?: Fault[] | undefined
  /** The machine's clock, in milliseconds since the epoch. Default: the real one. */
  now?: () => number
  /** How long a connection may say nothing while a request is expected from it. Default 30; Proxmox waits 5. */
  idleSeconds?: number
  /** Process to name to whoever finds the state in use; default: this one. */
  holderPid?: number
  /**
   * Default: what `dataDir` holds, or else one node `pve` with the storages `local` for files and `tank` for disks.
   * Another than that of a state that is taken up again is a LabError.
   */
  cluster?: ClusterSpec | undefined
}

/** Proxmox hangs up after 5, which a client of a busy test machine may take to go on with its request. */
const IDLE_SECONDS = 30

/** What tests and the lab's own commands may see and do beside the API. */
export interface PveAdmin {
  /** The raw config, as in Proxmox's own file. */
  vmConfig(vmid: number): VmConfig | undefined
  vmids(): number[]
  tasks(): readonly TaskRecord[]
  /** Users, tokens, roles, pools and ACLs of this moment, in the format of Proxmox's user.cfg. */
  userCfg(): string
  /** Whether it is the user's password at this moment. */
  isPassword(userid: string, text: string): boolean
  /** What goes wrong from now on, instead of what did so far. */
  setFaults(faults: Fault[]): void
  /** The faults with how often each fitted and struck. */
  faults(): FaultReport[]
  /** Resolves when no task runs. */
  settled(): Promise<void>
  /** The serial console of a running guest so far. */
  console(vmid: number): Promise<string | undefined>
}

export interface PveServer {
  /** `https://127.0.0.1:PORT/api2/json` */
  url: string
  port: number
  /** The CA certificate to trust. */
  caFile: string
  home: Home
  admin: PveAdmin
  /** Stops every guest and forgets everything: as new, with the users it was made with. */
  reset(): Promise<void>
  /** Stops listening, then every guest. The state stays in `dataDir`. */
  close(): Promise<void>
}

/** As Proxmox does after an upgrade: a role that names `VM.Monitor` still loads on PVE 9, without it. */
function dropUnknownPrivileges({ access }: State, version: MajorVersion): void {
  const known = privilegesOf(version)
  for (const [role, privileges] of Object.entries(access.roles))
    access.roles[role] = privileges.filter(privilege => known.has(privilege))
}

function clusterFrom({ cluster, dataDir }: PveServerOptions): Cluster {
  return clusterOf(cluster ?? singleNode('pve'), id => join(dataDir, 'storage', id))
}

function firstState(options: PveServerOptions, cluster: Cluster): State {
  const state = initialState(options.userCfg ?? '', cluster)
  dropUnknownPrivileges(state, options.version ?? 9)
  const passwords = { ...options.passwords, 'root@pam': options.rootPassword }
  for (const [userid, password] of Object.entries(passwords)) state.passwords[userid] = hashPassword(password)
  state.tokenSecrets = { ...options.tokenSecrets }
  return state
}

async function createAllFolders(state: State): Promise<void> {
  for (const { name } of state.nodes) await createFolders(Object.fromEntries(storagesOn(state, name)))
}

async function recover(state: State, { dataDir, now = Date.now }: PveServerOptions): Promise<void> {
  endInterrupted(state, Math.floor(now() / 1000))
  await createAllFolders(state)
  await removeHalfFiles(
    dataDir,
    state.nodes.flatMap(({ name }) => storagesOn(state, name).map(([, storage]) => storage)),
  )
}

async function createPve(options: PveServerOptions): Promise<Pve> {
  const store = await openStore(options.dataDir, () => firstState(options, clusterFrom(options)))
  if (options.cluster) adoptCluster(store.state, clusterFrom(options), options.dataDir)
  await recover(store.state, options)
  await store.save()
  const timeScale = options.timeScale ?? 1
  const node = firstNode(store.state).name
  const faults = createFaults(options.faults)
  const clock = options.now ?? Date.now
  const now = () => clock() + faults.skew() * 1000
  const startedAt = clock()
  return {
    node,
    version: options.version ?? 9,
    dataDir: options.dataDir,
    store,
    driver: diskFaults(options.driver, faults, () => store.state.storages),
    tasks: createTasks({ store, node, bootedAt: startedAt, endAtOnce: timeScale === 0, faults, now }),
    locks: lockFaults(createVmLocks(), faults),
    live: new Map(),
    startedAt,
    faults,
    now,
    async pause(seconds) {
      await midway()
      await new Promise(resolve => setTimeout(resolve, seconds * timeScale * 1000))
    },
  }
}

async function stopGuests(pve: Pve): Promise<void> {
  await Promise.all([...pve.live.values()].map(({ guest }) => guest.stop()))
  pve.live.clear()
}

async function resetPve(pve: Pve, options: PveServerOptions): Promise<void> {
  for (const task of pve.store.state.tasks) pve.tasks.abort(task.upid)
  await pve.tasks.settled()
  await stopGuests(pve)
  pve.faults.set(options.faults ?? [])
  for (const { path } of Object.values(pve.store.state.volumes)) await pve.driver.deleteDisk(path)
  const { nodes, storages } = pve.store.state
  for (const [, { path }] of nodes.flatMap(({ name }) => storagesOn(pve.store.state, name)))
    await rm(path, { recursive: true, force: true })
  pve.store.state = withoutPrototypes(firstState(options, { nodes, storages }))
  await createAllFolders(pve.store.state)
  await pve.store.save()
}

function adminOf(pve: Pve): PveAdmin {
  return {
    vmConfig: vmid => pve.store.state.vms[vmid]?.config,
    vmids: () => Object.keys(pve.store.state.vms).map(Number),
    tasks: () => pve.store.state.tasks,
    userCfg: () => writeUserCfg(pve.store.state.access),
    isPassword: (userid, text) => passwordMatches(text, pve.store.state.passwords[userid]),
    setFaults: faults => pve.faults.set(faults),
    faults: () => pve.faults.list(),
    settled: () => pve.tasks.settled(),
    console: async vmid => pve.live.get(vmid)?.guest.console(),
  }
}

/** Starts the server and resolves when it listens. */
export async function createPveServer(options: PveServerOptions): Promise<PveServer> {
  const lock = await lockState(options.dataDir, options.holderPid ?? process.pid)
  return startServer(options, lock).catch(async error => {
    await lock.release()
    throw error
  })
}

async function startServer(options: PveServerOptions, lock: StateLock): Promise<PveServer> {
  const pve = await createPve(options)
  const { key, cert, caFile } = await ensureCertificate(options.dataDir, pve.node)
  const { listen, socketPath, idleSeconds = IDLE_SECONDS } = options
  const where = { key, cert, listen, socketPath, idleSeconds }
  const listening = await listenHttp(where, createDispatcher(pve, routes))
  const { port } = listening
  return {
    url: `https://127.0.0.1:${port}/api2/json`,
    port,
    caFile,
    home: homeOf(pve.store.state),
    admin: adminOf(pve),
    reset: () => resetPve(pve, options),
    async close() {
      await listening.close()
      pve.faults.end()
      await pve.tasks.settled()
      await stopGuests(pve)
      await rm(join(options.dataDir, 'uploads'), { recursive: true, force: true })
      await pve.store.save()
      await lock.release()
    },
  }
}
