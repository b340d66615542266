/** The lab's process inside its namespace, where it has one: the first there, so that everything ends with it. */

import { rm } from 'node:fs/promises'
import type { GuestDriver } from './guests/driver.mts'
import type { Image } from './guests/image/image.mts'
import { createNoneDriver } from './guests/none.mts'
import { createSimDriver } from './guests/sim/driver.mts'
import { LAB_TOKEN, LAB_USER, type PveVersion, type Secrets } from './identity.mts'
import { cannotListen } from './lab-error.mts'
import { openBridge } from './network/bridge.mts'
import { forward } from './network/forward.mts'
import type { LabNetwork } from './network/lab-network.mts'
import { openLoopback } from './network/loopback.mts'
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
  /** For what lives as long as the lab; removed from in here, since with mapped user ids nobody else may. */
  runFolder: string
  guests: GuestKind
  images: Image[]
  version: PveVersion
  userCfg: string
  secrets: Secrets
  timeScale: number
}

export type GuestKind = 'sim' | 'none'

export interface InsideReady {
  url: string
  caFile: string
  network: LabNetwork
}

interface Running {
  settings: InsideSettings
  server: PveServer
  driver: GuestDriver
}

const CLOSE_TIMEOUT_MS = 10_000

let running: Running | undefined

async function start(settings: InsideSettings): Promise<InsideReady> {
  const open = settings.network === 'bridge' ? openBridge : openLoopback
  const network = await open(settings.images)
  const { runFolder } = settings
  const driver = settings.guests === 'sim' ? createSimDriver({ runFolder, network }) : createNoneDriver()
  const server = await serveApi(settings, driver)
  if (settings.socketPath !== undefined)
    await forward({ path: settings.socketPath }, { host: '127.0.0.1', port: server.port })
  running = { settings, server, driver }
  return { url: server.url, caFile: server.caFile, network }
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
  }).catch(error => {
    throw error.syscall === 'listen' ? cannotListen(listen, error) : error
  })
}

async function stop(): Promise<void> {
  if (!running) return
  const { settings, server, driver } = running
  running = undefined
  await server.close()
  await driver.close()
  await rm(settings.runFolder, { recursive: true, force: true })
}

answerCalls({
  start,
  reset: () => running!.server.reset(),
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
