/** The driver of simulated guests. */

import { join } from 'node:path'
import { labImageSize } from '../../images/format.mts'
import type { LabNetwork } from '../../network/lab-network.mts'
import { createLeases } from '../../network/leases.mts'
import type { GuestDriver, GuestStart, RunningGuest } from '../driver.mts'
import { startGuest } from './guest.mts'
import { startLoopbackGuest } from './loopback-guest.mts'
import type { SimGuest } from './process.mts'
import {
  cloneVolume,
  createBlankVolume,
  deleteSnapshot,
  deleteVolume,
  exportVolume,
  growVolume,
  importVolume,
  restoreVolume,
  rollbackVolume,
  snapshotVolume,
} from './volume.mts'

/**
 * Makes a driver whose guests are small containers with a real Debian root, sshd and guest agent. Call it as (mapped)
 * root. If the network is a bridge, call it inside the lab's namespaces; see lab/network.
 */
export function createSimDriver(options: { runFolder: string; network: LabNetwork }): GuestDriver {
  const { network } = options
  const host = { runFolder: join(options.runFolder, 'guests'), leases: createLeases() }
  const boot = (guest: GuestStart): Promise<SimGuest> =>
    network.kind === 'bridge'
      ? startGuest({ ...host, network }, guest)
      : startLoopbackGuest({ ...host, network }, guest)
  const running = new Set<RunningGuest>()
  /** Hibernated guests by the path of their state. Their processes are halted and end with the lab. */
  const asleep = new Map<string, RunningGuest>()
  return {
    importDisk: importVolume,
    ownImageSize: labImageSize,
    createDisk: createBlankVolume,
    cloneDisk: cloneVolume,
    resizeDisk: growVolume,
    snapshotDisk: snapshotVolume,
    rollbackDisk: rollbackVolume,
    deleteSnapshot,
    exportDisk: exportVolume,
    restoreDisk: restoreVolume,
    async deleteDisk(path) {
      await asleep.get(path)?.stop()
      asleep.delete(path)
      await deleteVolume(path)
    },
    async start(start) {
      const guest = (await wake(asleep, start.state)) ?? withSleep(await boot(start), asleep)
      running.add(guest)
      guest.exited.then(() => running.delete(guest))
      return guest
    },
    async close() {
      await Promise.all([...running].map(guest => guest.stop()))
    },
  }
}

/** Lets a hibernated guest go on; undefined if the lab that put it to sleep is gone, so that the guest has to boot. */
async function wake(
  asleep: Map<string, RunningGuest>,
  state: string | undefined,
): Promise<RunningGuest | undefined> {
  const guest = state === undefined ? undefined : asleep.get(state)
  if (!guest) return undefined
  asleep.delete(state!)
  await guest.resume()
  return guest
}

function withSleep(guest: SimGuest, asleep: Map<string, RunningGuest>): RunningGuest {
  const whole: RunningGuest = {
    ...guest,
    async hibernate(path) {
      await guest.pause()
      await createBlankVolume(path, 0)
      asleep.set(path, whole)
    },
  }
  return whole
}
