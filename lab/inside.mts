/** The lab's process inside its namespace: the first there, so that everything ends with it. */

import { rm } from 'node:fs/promises'
import type { GuestDriver } from './guests/driver.mts'
import type { Image } from './guests/image/image.mts'
import { createNoneDriver } from './guests/none.mts'
import { createSimDriver } from './guests/sim/driver.mts'
import { LAB_NODE, LAB_TOKEN, LAB_USER, type PveVersion, type Secrets } from './identity.mts'
import { createBridge } from './network/bridge.mts'
import { serveFiles } from './network/file-server.mts'
import { forward } from './network/forward.mts'
import { createPveServer, type PveServer } from './pve/server.mts'
import { answerCalls } from './rpc.mts'

/** What the outer process asks for. Travels over IPC, since it holds secrets. */
export interface InsideSettings {
  /** The same port as outside, so that one URL is right on both sides. */
  port: number
  /** The API once more, for the forwarder outside. */
  socketPath: string
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
}

interface Running {
  settings: InsideSettings
  server: PveServer
  driver: GuestDriver
}

const CLOSE_TIMEOUT_MS = 10_000

let running: Running | undefined

async function start(settings: InsideSettings): Promise<InsideReady> {
  await createBridge()
  await serveFiles(settings.images)
  const driver = settings.guests === 'sim' ? createSimDriver(settings) : createNoneDriver()
  const server = await createPveServer({
    listen: { host: '127.0.0.1', port: settings.port },
    dataDir: settings.dataFolder,
    driver,
    version: settings.version,
    node: LAB_NODE,
    rootPassword: settings.secrets.rootPassword,
    userCfg: settings.userCfg,
    passwords: { [LAB_USER]: settings.secrets.userPassword },
    tokenSecrets: { [LAB_TOKEN]: settings.secrets.tokenSecret },
    timeScale: settings.timeScale,
  })
  await forward({ path: settings.socketPath }, { host: '127.0.0.1', port: server.port })
  running = { settings, server, driver }
  return { url: server.url, caFile: server.caFile }
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
