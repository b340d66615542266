/** The driver of simulated guests. */

import { join } from 'node:path'
import type { LabNetwork } from '../../network/lab-network.mts'
import { createLeases } from '../../network/leases.mts'
import type { GuestDriver, GuestStart, RunningGuest } from '../driver.mts'
import { startGuest } from './guest.mts'
import { startLoopbackGuest } from './loopback-guest.mts'
import {
  cloneVolume,
  createBlankVolume,
  deleteVolume,
  growVolume,
  importVolume,
  ownImageSize,
} from './volume.mts'

/**
 * Makes a driver whose guests are small containers with a real Debian root, sshd and guest agent. Call it as (mapped)
 * root. If the network is a bridge, call it inside the lab's namespaces; see lab/network.
 */
export function createSimDriver(options: { runFolder: string; network: LabNetwork }): GuestDriver {
  const { network } = options
  const host = { runFolder: join(options.runFolder, 'guests'), leases: createLeases() }
  const boot = (guest: GuestStart): Promise<RunningGuest> =>
    network.kind === 'bridge'
      ? startGuest({ ...host, network }, guest)
      : startLoopbackGuest({ ...host, network }, guest)
  const running = new Set<RunningGuest>()
  return {
    importDisk: importVolume,
    ownImageSize,
    createDisk: createBlankVolume,
    cloneDisk: cloneVolume,
    resizeDisk: growVolume,
    deleteDisk: deleteVolume,
    async start(start) {
      const guest = await boot(start)
      running.add(guest)
      guest.exited.then(() => running.delete(guest))
      return guest
    },
    async close() {
      await Promise.all([...running].map(guest => guest.stop()))
    },
  }
}
