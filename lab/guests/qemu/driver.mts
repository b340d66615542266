/** The driver of guests that are real machines. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { serveDhcp } from '../../network/dhcp.mts'
import type { GuestDriver } from '../driver.mts'
import { chooseAccelerator } from './accelerator.mts'
import {
  cloneDisk,
  createDisk,
  deleteDisk,
  deleteSnapshot,
  exportDisk,
  importImage,
  resizeDisk,
  rollbackDisk,
  snapshotDisk,
} from './disk.mts'
import { type Machine, startMachine } from './machine.mts'
import { createEfiDisk } from './ovmf.mts'

/**
 * Makes a driver whose guests are QEMU processes on the lab's bridge; see openBridge. Call it inside the lab's
 * namespaces, because its processes end with them.
 */
export async function createQemuDriver(options: { runFolder: string }): Promise<GuestDriver> {
  const runFolder = join(options.runFolder, 'guests')
  await mkdir(runFolder, { recursive: true, mode: 0o700 })
  // The choice takes some seconds. Only a start has to wait for it.
  const accelerator = chooseAccelerator({ folder: runFolder })
  const dhcp = await serveDhcp(runFolder)
  const running = new Set<Machine>()
  const userOf = (path: string): Machine | undefined => [...running].find(({ paths }) => paths.includes(path))
  return {
    importDisk: importImage,
    createDisk,
    createEfiDisk,
    cloneDisk,
    async resizeDisk(path, sizeBytes) {
      const user = userOf(path)
      await (user ? user.resizeDisk(path, sizeBytes) : resizeDisk(path, sizeBytes))
    },
    async snapshotDisk(path, name) {
      const user = userOf(path)
      await (user ? user.snapshotDisk(path, name) : snapshotDisk(path, name))
    },
    async deleteSnapshot(path, name) {
      const user = userOf(path)
      await (user ? user.deleteSnapshot(path, name) : deleteSnapshot(path, name))
    },
    rollbackDisk,
    exportDisk,
    restoreDisk: async (file, target) => void (await importImage(file, target)),
    deleteDisk,
    async start(start) {
      const machine = await startMachine({ runFolder, accelerator }, start)
      running.add(machine)
      void machine.guest.exited.then(() => running.delete(machine))
      return machine.guest
    },
    async close() {
      await Promise.all([...running].map(({ guest }) => guest.stop()))
      await dhcp.close()
    },
  }
}
