/** Moves a node's own volume to another node: copies it first and removes the source at the end. */

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Pve } from '../core/pve.mts'
import { copyOf } from './new-volumes.mts'
import { storageOf } from './storages.mts'
import { volumeOf } from './volumes.mts'

export interface Relocation {
  /** Volume id on the other node. */
  volid: string
  /** Makes the copy the valid volume. It is synchronous, so that no save sees half of it. */
  adopt(): void
  /** Removes the source. Call it after `adopt`. */
  removeSource(): Promise<void>
  /** Removes the copy. Call it instead of `adopt`. */
  undo(): Promise<void>
}

/** Copies to the storage with the same id, under the same name. `requireRoomForAll` has checked the space. */
async function toSameStorage(here: Pve, there: Pve, volid: string): Promise<Relocation> {
  const volume = volumeOf(here, volid)
  const from = volume.path
  const path = storageOf(there, volume.storage).path + from.slice(storageOf(here, volume.storage).path.length)
  const undo = (): Promise<void> => here.driver.deleteDisk(path)
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

/** @throws {ApiError} of the storage if the other node has no room. Nothing is left there then. */
export function relocate(here: Pve, there: Pve, volid: string, storage: string): Promise<Relocation> {
  return volumeOf(here, volid).storage === storage
    ? toSameStorage(here, there, volid)
    : toOtherStorage(here, there, volid, storage)
}
