/** Storages that a fault makes full. */

import { basename } from 'node:path'
import type { GuestDriver } from '../../guests/driver.mts'
import { failure } from '../core/errors.mts'
import type { Faults } from '../core/fault.mts'
import type { StorageConfig } from '../core/state.mts'
import { midway } from './task-faults.mts'

type Storages = Record<string, StorageConfig>

function storageAt(storages: Storages, path: string): [string, StorageConfig] | undefined {
  return Object.entries(storages).find(([, storage]) =>
    [`${storage.path}/`, `${storage.path}@`].some(start => path.startsWith(start)),
  )
}

function outOfSpace(id: string, storage: StorageConfig, path: string): string {
  if (storage.type === 'zfspool') return `zfs error: cannot create '${id}/${basename(path)}': out of space`
  const isImage = path.includes('/images/')
  return `${isImage ? 'unable to create image: qemu-img: ' : 'error writing '}'${path}': No space left on device`
}

/** @param path new file or volume. @throws {ApiError} with Proxmox's text if a fault makes its storage full. */
export function failIfFull(faults: Faults, storages: Storages, path: string): void {
  const [id, storage] = storageAt(storages, path) ?? []
  if (id === undefined || !storage || !faults.due('disk-full', { storage: id })) return
  throw failure(outOfSpace(id, storage, path))
}

/** Wraps a driver: its work on disks fails if a fault makes the storage full, or the task. */
export function diskFaults(driver: GuestDriver, faults: Faults, storages: () => Storages): GuestDriver {
  const before = async (path: string): Promise<void> => {
    failIfFull(faults, storages(), path)
    await midway()
  }
  return {
    ...driver,
    async createDisk(target, size) {
      await before(target)
      return driver.createDisk(target, size)
    },
    async importDisk(image, target) {
      await before(target)
      return driver.importDisk(image, target)
    },
    async cloneDisk(source, target, mode, snapshot) {
      await before(target)
      return driver.cloneDisk(source, target, mode, snapshot)
    },
    async snapshotDisk(path, name) {
      await before(path)
      return driver.snapshotDisk(path, name)
    },
    async exportDisk(path, file, snapshot) {
      await before(file)
      return driver.exportDisk(path, file, snapshot)
    },
    async restoreDisk(file, target) {
      await before(target)
      return driver.restoreDisk(file, target)
    },
    async resizeDisk(path, size) {
      await before(path)
      return driver.resizeDisk(path, size)
    },
    async start(guest) {
      await midway()
      return driver.start(guest)
    },
  }
}
