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

/** Throws what Proxmox says of a full storage when one is to be full. `path` is what would lie on it. */
export function requireRoom(faults: Faults, storages: Storages, path: string): void {
  const [id, storage] = storageAt(storages, path) ?? []
  if (id === undefined || !storage || !faults.due('disk-full', { storage: id })) return
  throw failure(outOfSpace(id, storage, path))
}

/** A driver whose disks do not fit where a storage is to be full. */
export function diskFaults(driver: GuestDriver, faults: Faults, storages: () => Storages): GuestDriver {
  const before = async (path: string) => {
    requireRoom(faults, storages(), path)
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
    async cloneDisk(source, target, mode) {
      await before(target)
      return driver.cloneDisk(source, target, mode)
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
