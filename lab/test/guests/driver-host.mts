/** Runs a driver inside a namespace, for tests of the driver without the API server. */

import type { GuestStart, RunningGuest } from '../../guests/driver.mts'
import { createQemuDriver } from '../../guests/qemu/driver.mts'
import { createSimDriver } from '../../guests/sim/driver.mts'
import type { Image } from '../../images/image.mts'
import { openBridge } from '../../network/bridge.mts'
import { answerCalls } from '../../rpc.mts'

const [kind, runFolder, images] = JSON.parse(process.argv[2]!) as ['sim' | 'qemu', string, Image[]]
const network = await openBridge(images)
const driver =
  kind === 'sim' ? createSimDriver({ runFolder, network }) : await createQemuDriver({ runFolder })
const guests = new Map<number, RunningGuest>()

process.once('disconnect', () => process.exit())
answerCalls({
  importDisk: driver.importDisk,
  createDisk: driver.createDisk,
  createEfiDisk: driver.createEfiDisk!,
  cloneDisk: driver.cloneDisk,
  resizeDisk: driver.resizeDisk,
  deleteDisk: driver.deleteDisk,
  snapshotDisk: driver.snapshotDisk,
  rollbackDisk: driver.rollbackDisk,
  deleteSnapshot: driver.deleteSnapshot,
  exportDisk: driver.exportDisk,
  restoreDisk: driver.restoreDisk,
  start: async (start: GuestStart) => {
    guests.set(start.vmid, await driver.start(start))
  },
  exited: vmid => guests.get(vmid)!.exited,
  agent: (vmid, command, args = {}) => guests.get(vmid)!.agent(command, args),
  shutdown: vmid => guests.get(vmid)!.shutdown(),
  reset: vmid => guests.get(vmid)!.reset!(),
  stop: vmid => guests.get(vmid)!.stop(),
  pause: vmid => guests.get(vmid)!.pause(),
  resume: vmid => guests.get(vmid)!.resume(),
  hibernate: (vmid, path) => guests.get(vmid)!.hibernate(path),
  console: vmid => guests.get(vmid)!.console(),
})
