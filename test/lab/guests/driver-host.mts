/** Runs the sim driver inside a namespace for the tests of driver.test.mts; commands arrive over IPC. */

import type { GuestStart, RunningGuest } from '../../../lab/guests/driver.mts'
import type { Image } from '../../../lab/guests/image/image.mts'
import { createSimDriver } from '../../../lab/guests/sim/driver.mts'
import { createBridge } from '../../../lab/network/bridge.mts'
import { serveFiles } from '../../../lab/network/file-server.mts'

const [runFolder, image] = JSON.parse(process.argv[2]!) as [string, Image]
await createBridge()
await serveFiles([image])
const driver = createSimDriver({ runFolder })
const guests = new Map<number, RunningGuest>()

const commands: Record<string, (...args: never[]) => Promise<unknown>> = {
  importDisk: driver.importDisk,
  createDisk: driver.createDisk,
  cloneDisk: driver.cloneDisk,
  resizeDisk: driver.resizeDisk,
  deleteDisk: driver.deleteDisk,
  start: async (start: GuestStart) => {
    guests.set(start.vmid, await driver.start(start))
  },
  exited: (vmid: number) => guests.get(vmid)!.exited,
  agent: (vmid: number, command: string, args = {}) => guests.get(vmid)!.agent(command, args),
  shutdown: (vmid: number) => guests.get(vmid)!.shutdown(),
  stop: (vmid: number) => guests.get(vmid)!.stop(),
  console: (vmid: number) => guests.get(vmid)!.console(),
  close: () => driver.close(),
}

process.on('disconnect', () => process.exit())
process.on('message', async ({ id, name, args }: { id: number; name: string; args: never[] }) => {
  try {
    process.send!({ id, value: await commands[name]!(...args) })
  } catch (error) {
    const { message, constructor: kind } = error as Error
    process.send!({ id, error: message, kind: kind.name })
  }
})
process.send!({ id: 0 })
