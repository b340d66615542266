/** Runs the sim driver inside a namespace, for tests of the driver without the API server. */

import type { GuestStart, RunningGuest } from '../../../lab/guests/driver.mts'
import type { Image } from '../../../lab/guests/image/image.mts'
import { createSimDriver } from '../../../lab/guests/sim/driver.mts'
import { openBridge } from '../../../lab/network/bridge.mts'
import { answerCalls } from '../../../lab/rpc.mts'

const [runFolder, image] = JSON.parse(process.argv[2]!) as [string, Image]
const driver = createSimDriver({ runFolder, network: await openBridge([image]) })
const guests = new Map<number, RunningGuest>()

process.once('disconnect', () => process.exit())
answerCalls({
  importDisk: driver.importDisk,
  createDisk: driver.createDisk,
  cloneDisk: driver.cloneDisk,
  resizeDisk: driver.resizeDisk,
  deleteDisk: driver.deleteDisk,
  start: async (start: GuestStart) => {
    guests.set(start.vmid, await driver.start(start))
  },
  exited: vmid => guests.get(vmid)!.exited,
  agent: (vmid, command, args = {}) => guests.get(vmid)!.agent(command, args),
  shutdown: vmid => guests.get(vmid)!.shutdown(),
  stop: vmid => guests.get(vmid)!.stop(),
  console: vmid => guests.get(vmid)!.console(),
})
