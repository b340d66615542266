/** A node's own volume becomes another node's: copied there first, and only then removed here. */

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Pve } from '../core/pve.mts'
import { storageOf } from './storages.mts'
import { copyOf, volumeOf } from './volumes.mts'

export interface Relocation {
  /** What the volume is called on the other node. */
  volid: string
  /** The other node's volume is the one that counts from now on. At once: no state is saved in between. */
  adopt(): void
  /** Removes the one here; after `adopt`. */
  removeSource(): Promise<void>
  /** Instead of `adopt`: as if nothing had been. */
  undo(): Promise<void>
}

/** To the storage of the same id, under the same name; `requireRoomForAll` has told that it fits. */
async function toSameStorage(here: Pve, there: Pve, volid: string): Promise<Relocation> {
  const volume = volumeOf(here, volid)
  const from = volume.path
  const path = storageOf(there, volume.storage).path + from.slice(storageOf(here, volume.storage).path.length)
  const undo = () => here.driver.deleteDisk(path)
  await mkdir(dirname(path), { recursive: true })
  try {
    await here.driver.cloneDisk(from, path, 'full')
  } catch (error) {
    await undo()
    throw error
  }
  return {
    volid,
    adopt: () => void Object.assign(volume, { node: there.node, path }),
    removeSource: () => here.driver.deleteDisk(from),
    undo,
  }
}

async function toOtherStorage(here: Pve, there: Pve, volid: string, storage: string): Promise<Relocation> {
  const { path } = volumeOf(here, volid)
  const made = await copyOf(here, there, volid, storage)
  const { volumes } = here.store.state
  return {
    volid: made.volid,
    adopt: () => void delete volumes[volid],
    removeSource: () => here.driver.deleteDisk(path),
    async undo() {
      delete volumes[made.volid]
      await here.driver.deleteDisk(made.volume.path)
    },
  }
}

/** @throws the storage's own error where the other node has no room; nothing is left there then. */
export function relocate(here: Pve, there: Pve, volid: string, storage: string): Promise<Relocation> {
  return volumeOf(here, volid).storage === storage
    ? toSameStorage(here, there, volid)
    : toOtherStorage(here, there, volid, storage)
}
