/** The lab's process inside its namespace, where it has one: the first there, so that everything ends with it. */

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type LabChainReady, type LabChainSettings, openLabChain } from './chain/lab-chain.mts'
import { type Control, openControl } from './control.mts'
import { cannotListen } from './core/lab-error.mts'
import type { GuestDriver } from './guests/driver.mts'
import { createNoneDriver } from './guests/none.mts'
import { createQemuDriver } from './guests/qemu/driver.mts'
import { createSimDriver } from './guests/sim/driver.mts'
import { LAB_TOKEN, LAB_USER, type PveVersion, type Secrets } from './identity.mts'
import type { Image } from './images/image.mts'
import { BRIDGE_ADDRESS } from './network/addresses.mts'
import { openBridge } from './network/bridge.mts'
import { forward } from './network/forward.mts'
import type { LabNetwork } from './network/lab-network.mts'
import { openLoopback } from './network/loopback.mts'
import { type NodeSsh, openNodeSsh } from './node-ssh/server.mts'
import type { ClusterSpec, Home } from './pve/core/cluster.mts'
import type { Fault } from './pve/core/fault.mts'
import { createPveServer, type PveServer } from './pve/server.mts'
import { answerCalls } from './rpc.mts'

/** What the outer process asks for. Travels over IPC, since it holds secrets. */
export interface InsideSettings {
  network: LabNetwork['kind']
  /** Of the API. With namespaces the same port as outside, so that one URL is right on both sides. */
  listen: { host: string; port: number }
  /** The API once more, for the forwarder outside; undefined where outside and inside are one. */
  socketPath: string | undefined
  dataFolder: string
  nodeSsh: NodeSshSettings
  /** Undefined: the lab has no chain. */
  chain: Omit<LabChainSettings, 'guestHost'> | undefined
  /** For what lives as long as the lab; removed from in here, since with mapped user ids nobody else may. */
  runFolder: string
  guests: GuestKind
  images: Image[]
  version: PveVersion
  userCfg: string
  secrets: Secrets
  timeScale: number
  cluster: ClusterSpec | undefined
  faults: Fault[]
  /** The outer process, which is the one to end. */
  ownerPid: number
}

interface NodeSshSettings {
  /** As with the API: where it listens, and the socket of the forwarder outside. */
  listen: { host: string; port: number }
  socketPath: string | undefined
  /** PEM. */
  hostKey: string
  /** Of the key that logs in, one line as in `authorized_keys`. */
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
    cluster: settings.cluster,
    faults: settings.faults,
    holderPid: settings.ownerPid,
  }).catch(error => {
    throw error.syscall === 'listen' ? cannotListen(listen, error) : error
  })
}

/** On a bridge also where Proxmox has it, at port 22 of the node's address. */
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

// The outer process is gone, however it ended: so is the lab.
process.once('disconnect', () => {
  setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS)
  stop().then(
    () => process.exit(),
    () => process.exit(1),
  )
})
