/** The lab's inner process. It is the first process of the namespaces, if there are any: all others end with it. */

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type LabChainReady, type LabChainSettings, openLabChain } from './chain/lab-chain.mts'
import { type Control, openControl } from './control.mts'
import { type Address, cannotListen } from './core/listen.mts'
import type { GuestDriver } from './guests/driver.mts'
import { createNoneDriver } from './guests/none.mts'
import { createQemuDriver } from './guests/qemu/driver.mts'
import { createSimDriver } from './guests/sim/driver.mts'
import { LAB_TOKEN, LAB_USER, type PveVersion, type Secrets } from './identity.mts'
import type { Image } from './images/image.mts'
import { openBridge } from './network/bridge.mts'
import { forward } from './network/forward.mts'
import { BRIDGE_ADDRESS, type LabNetwork } from './network/lab-network.mts'
import { openLoopback } from './network/loopback.mts'
import { type NodeSsh, openNodeSsh } from './node-ssh/server.mts'
import type { ClusterSpec, Home } from './pve/core/cluster.mts'
import type { Fault } from './pve/core/fault.mts'
import { createPveServer, type PveServer } from './pve/server.mts'
import { answerCalls } from './rpc.mts'

/** Settings from the outer process. They travel over IPC because they hold secrets. */
export interface InsideSettings {
  network: LabNetwork['kind']
  /** Address of the API. With namespaces, the port is the same as outside: one URL is right on both sides. */
  listen: Address
  /** Unix socket to the API for the forwarder outside; undefined without namespaces. */
  socketPath: string | undefined
  dataFolder: string
  nodeSsh: NodeSshSettings
  /** Settings of the chain; undefined without one. */
  chain: Omit<LabChainSettings, 'guestHost'> | undefined
  /** Folder that lives as long as the lab. The inner process removes it: others may not, with mapped user ids. */
  runFolder: string
  guests: GuestKind
  images: Image[]
  version: PveVersion
  userCfg: string
  secrets: Secrets
  timeScale: number
  staleSeconds: number | undefined
  cluster: ClusterSpec | undefined
  faults: Fault[]
  /** Outer process: the one that a person has to end. */
  ownerPid: number
}

interface NodeSshSettings {
  /** Address and Unix socket, as for the API. */
  listen: Address
  socketPath: string | undefined
  /** PEM. */
  hostKey: string
  /** Key that may log in: one line as in `authorized_keys`. */
  publicKey: string
}

export type GuestKind = 'sim' | 'qemu' | 'none'

export interface InsideReady {
  url: string
  caFile: string
  /** See `openControl`. */
  controlSocket: string
  network: LabNetwork
  home: Home
  nodeSshPort: number
  chain: LabChainReady | undefined
}

interface Running {
  settings: InsideSettings
  server: PveServer
  control: Control
  driver: GuestDriver
  nodeSsh: NodeSsh
  chain: Awaited<ReturnType<typeof openLabChain>> | undefined
}

const CLOSE_TIMEOUT_MS = 10_000

let running: Running | undefined

async function start(settings: InsideSettings): Promise<InsideReady> {
  const open = settings.network === 'bridge' ? openBridge : openLoopback
  const network = await open(settings.images)
  const { runFolder } = settings
  const driver = await createDriver(settings.guests, runFolder, network)
  const server = await serveApi(settings, driver)
  if (settings.socketPath !== undefined)
    await forward({ path: settings.socketPath }, { host: '127.0.0.1', port: server.port })
  const nodeSsh = await serveNodeSsh(settings, server)
  const guestHost = settings.network === 'bridge' ? BRIDGE_ADDRESS : undefined
  const chain = settings.chain && (await openLabChain({ ...settings.chain, guestHost }))
  const controlSocket = join(runFolder, 'control.sock')
  const control = await openControl(controlSocket, server.admin)
  const { url, caFile, home } = server
  running = { settings, server, control, driver, nodeSsh, chain }
  return { url, caFile, home, controlSocket, network, nodeSshPort: nodeSsh.ports[0]!, chain: chain?.ready }
}

async function createDriver(guests: GuestKind, runFolder: string, network: LabNetwork): Promise<GuestDriver> {
  if (guests === 'sim') return createSimDriver({ runFolder, network })
  return guests === 'qemu' ? createQemuDriver({ runFolder }) : createNoneDriver()
}

function serveApi(settings: InsideSettings, driver: GuestDriver): Promise<PveServer> {
  const { listen, secrets } = settings
  return createPveServer({
    listen,
    dataDir: settings.dataFolder,
    driver,
    version: settings.version,
    rootPassword: secrets.rootPassword,
    userCfg: settings.userCfg,
    passwords: { [LAB_USER]: secrets.userPassword },
    tokenSecrets: { [LAB_TOKEN]: secrets.tokenSecret },
    timeScale: settings.timeScale,
    staleSeconds: settings.staleSeconds,
    cluster: settings.cluster,
    faults: settings.faults,
    holderPid: settings.ownerPid,
  }).catch(error => {
    throw error.syscall === 'listen' ? cannotListen(listen, error) : error
  })
}

/** Opens the node's SSH server. On a bridge it also has port 22 of the node's address, as on a real node. */
async function serveNodeSsh(settings: InsideSettings, server: PveServer): Promise<NodeSsh> {
  const { network, dataFolder, runFolder, nodeSsh } = settings
  const { listen, socketPath, hostKey, publicKey } = nodeSsh
  const storagesFolder = join(dataFolder, 'storage')
  await mkdir(storagesFolder, { recursive: true })
  return openNodeSsh({
    network,
    storagesFolder,
    runFolder,
    hostKey,
    login: { publicKey, isPassword: text => server.admin.isPassword('root@pam', text) },
    listen: [
      listen,
      ...(network === 'bridge' ? [{ host: BRIDGE_ADDRESS, port: 22 }] : []),
      ...(socketPath === undefined ? [] : [{ path: socketPath }]),
    ],
    mounts: server.admin.mounts,
    commands: server.admin.commands,
  })
}

async function stop(): Promise<void> {
  if (!running) return
  const { settings, server, control, driver, nodeSsh, chain } = running
  running = undefined
  await control.close()
  await nodeSsh.close()
  await chain?.close()
  await server.close()
  await driver.close()
  await rm(settings.runFolder, { recursive: true, force: true })
}

answerCalls({
  start,
  reset: () => running!.server.reset(),
  setFaults: async (faults: Fault[]) => running!.server.admin.setFaults(faults),
  faults: async () => running!.server.admin.faults(),
  settled: () => running!.server.admin.settled(),
  console: (vmid: number) => running!.server.admin.console(vmid),
  stop,
})

// The lab ends with the outer process, however that ended.
process.once('disconnect', () => {
  setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS)
  stop().then(
    () => process.exit(),
    () => process.exit(1),
  )
})
