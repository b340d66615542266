/** An HTTPS server that acts as one node of Proxmox VE. */

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address } from '../core/listen.mts'
import type { GuestDriver } from '../guests/driver.mts'
import { hashPassword } from './access/secrets.mts'
import { adminOf, type PveAdmin } from './admin.mts'
import { BROADCAST_SECONDS, type Broadcast, createBroadcast } from './cluster/broadcast.mts'
import {
  adoptCluster,
  type Cluster,
  type ClusterSpec,
  clusterOf,
  describedIn,
  firstNode,
  type Home,
  homeOf,
  singleNode,
  storagesOn,
} from './core/cluster.mts'
import type { Fault } from './core/fault.mts'
import { type MajorVersion, privilegesOf } from './core/privileges.mts'
import type { Pve } from './core/pve.mts'
import { initialState, type State } from './core/state.mts'
import { lockState, type StateLock } from './core/state-lock.mts'
import { openStore, withoutPrototypes } from './core/store.mts'
import { createVmLocks } from './core/vm-locks.mts'
import { diskFaults } from './faults/disk-faults.mts'
import { createFaults } from './faults/faults.mts'
import { lockFaults, midway } from './faults/task-faults.mts'
import { createDispatcher } from './http/dispatch.mts'
import { listenHttp } from './http/listen.mts'
import { ensureCertificate } from './nodes/certificates.mts'
import { routes } from './routes.mts'
import { createFolders, removeHalfFiles } from './storage/files.mts'
import { withoutLinks } from './storage/no-links.mts'
import { createTasks, endInterrupted } from './tasks/tasks.mts'

export interface PveServerOptions {
  listen: Address
  /** Unix socket for the same requests without TLS, for a forwarder. */
  socketPath?: string
  /** Absolute path of a folder for state, certificates and storages. The server goes on with a state in it. */
  dataDir: string
  /** Runs the guests. Its maker closes it, after the server. */
  driver: GuestDriver
  version?: MajorVersion
  /** Password of root@pam. */
  rootPassword: string
  /** Text in the format of Proxmox's user.cfg. Used only if `dataDir` has no state yet. */
  userCfg?: string
  /** Secrets of the API tokens in `userCfg`, by full token id. */
  tokenSecrets?: Record<string, string>
  /** Passwords of the users in `userCfg`, by user id. */
  passwords?: Record<string, string>
  /** Factor for the duration of simulated work. 1: as on a small machine; 0: it ends at once. Default 1. */
  timeScale?: number
  /**
   * Seconds between two broadcasts of a node's statistics, from which `/cluster/resources`, `/nodes` and pools have names
   * and status. 0: they are always the present ones. Default: 10, as on Proxmox, times `timeScale`.
   */
  staleSeconds?: number | undefined
  /** Length of a second of waiting for a VM's lock, in milliseconds. Default 1000, as Proxmox waits. */
  lockSecondMs?: number | undefined
  /** Faults from the start on, and again after a reset. */
  faults?: Fault[] | undefined
  /** Clock of the machine, in milliseconds since the epoch. Default: the real one. */
  now?: () => number
  /** Seconds after which the server closes a connection that sends no request. Default 30; Proxmox waits 5. */
  idleSeconds?: number
  /** Process to name in the error for others who want the state. Default: this process. */
  holderPid?: number
  /**
   * Default: that of the state in `dataDir`, or else one node `pve` with the storages `local` for files and `tank` for
   * disks. A cluster that does not fit the state in `dataDir` is a LabError.
   */
  cluster?: ClusterSpec | undefined
}

/** Longer than the 5 s of Proxmox, because a client on a busy test machine may pause that long in a request. */
const IDLE_SECONDS = 30

export interface PveServer {
  /** `https://127.0.0.1:PORT/api2/json` */
  url: string
  port: number
  /** Path of the CA certificate that clients must trust. */
  caFile: string
  home: Home
  admin: PveAdmin
  /** Stops every guest and restores the first state. */
  reset(): Promise<void>
  /** Stops listening, then stops every guest. The state stays in `dataDir`. */
  close(): Promise<void>
}

/** Drops privileges that the version does not know, as Proxmox does: PVE 9 loads a role with `VM.Monitor` without it. */
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

async function createPve(options: PveServerOptions): Promise<{ pve: Pve; broadcast: Broadcast }> {
  const store = await openStore(options.dataDir, () => firstState(options, clusterFrom(options)))
  if (options.cluster) adoptCluster(store.state, clusterFrom(options), options.dataDir)
  await recover(store.state, options)
  await store.save()
  const timeScale = options.timeScale ?? 1
  const node = firstNode(store.state).name
  const faults = createFaults(options.faults)
  const clock = options.now ?? Date.now
  const now = (): number => clock() + faults.skew() * 1000
  const startedAt = clock()
  const pve: Pve = {
    node,
    version: options.version ?? 9,
    dataDir: options.dataDir,
    store,
    driver: withoutLinks(
      diskFaults(options.driver, faults, () => store.state.storages),
      store,
    ),
    tasks: createTasks({ store, node, bootedAt: startedAt, endAtOnce: timeScale === 0, faults, now }),
    locks: lockFaults(createVmLocks(options.lockSecondMs), faults),
    live: new Map(),
    startedAt,
    faults,
    now,
    worker: 0,
    statistics: worker => broadcast.seenBy(worker),
    async pause(seconds) {
      await midway()
      await new Promise(resolve => setTimeout(resolve, seconds * timeScale * 1000))
    },
  }
  const broadcast = createBroadcast(pve, options.staleSeconds ?? BROADCAST_SECONDS * timeScale)
  await broadcast.restart()
  return { pve, broadcast }
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
  for (const [, { path }] of pve.store.state.nodes.flatMap(({ name }) => storagesOn(pve.store.state, name)))
    await rm(path, { recursive: true, force: true })
  pve.store.state = withoutPrototypes(firstState(options, structuredClone(describedIn(pve.store.state))))
  await createAllFolders(pve.store.state)
  await pve.store.save()
}

/**
 * Starts the server. Resolves when it listens.
 * @throws {LabError} if another process uses the state, or if the state belongs to another cluster.
 */
export async function createPveServer(options: PveServerOptions): Promise<PveServer> {
  const lock = await lockState(options.dataDir, options.holderPid ?? process.pid)
  return startServer(options, lock).catch(async error => {
    await lock.release()
    throw error
  })
}

async function startServer(options: PveServerOptions, lock: StateLock): Promise<PveServer> {
  const { pve, broadcast } = await createPve(options)
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
    reset: () => resetPve(pve, options).then(broadcast.restart),
    async close() {
      await listening.close()
      broadcast.end()
      pve.faults.end()
      await pve.tasks.settled()
      await stopGuests(pve)
      await rm(join(options.dataDir, 'uploads'), { recursive: true, force: true })
      await pve.store.save()
      await lock.release()
    },
  }
}
