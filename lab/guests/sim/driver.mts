import { join } from 'node:path'
import { createLeases } from '../../network/leases.mts'
import type { GuestDriver, RunningGuest } from '../driver.mts'
import { type GuestHost, startGuest } from './guest.mts'
import { cloneVolume, createBlankVolume, deleteVolume, growVolume, importVolume } from './volume.mts'

/**
 * Guests as small containers with a real Debian root, sshd and guest agent. Must run as (mapped) root in a
 * namespace that has the lab's bridge: see lab/network.
 */
export function createSimDriver(options: { runFolder: string }): GuestDriver {
  const host: GuestHost = { runFolder: join(options.runFolder, 'guests'), leases: createLeases() }
  const running = new Set<RunningGuest>()
  return {
    name: 'sim',
    importDisk: importVolume,
    createDisk: createBlankVolume,
    cloneDisk: cloneVolume,
    resizeDisk: growVolume,
    deleteDisk: deleteVolume,
    async start(start) {
      const guest = await startGuest(host, start)
      running.add(guest)
      guest.exited.then(() => running.delete(guest))
      return guest
    },
    async close() {
      await Promise.all([...running].map(guest => guest.stop()))
    },
  }
}
