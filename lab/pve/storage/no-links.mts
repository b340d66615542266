/**
 * Keeps the guest driver off symbolic links. A client of the node's SSH can put one in the place of a disk, or of a folder
 * above it, and the driver would read or write what it points to.
 */

import { lstat } from 'node:fs/promises'
import { dirname, join, normalize, relative } from 'node:path'
import type { GuestDriver, GuestStart } from '../../guests/driver.mts'
import { storagesOn } from '../core/cluster.mts'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { State } from '../core/state.mts'

/** Returns the folder above the storage that has the path; undefined for a path in no storage. */
function aboveStorageOf(state: State, path: string): string | undefined {
  const folders = state.nodes.flatMap(({ name }) => storagesOn(state, name).map(([, { path: own }]) => own))
  const storage = folders.find(folder => path.startsWith(`${folder}/`))
  return storage === undefined ? undefined : dirname(storage)
}

async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true
}

async function hasLink(state: State, path: string): Promise<boolean> {
  const normal = normalize(path)
  let step = aboveStorageOf(state, normal)
  if (step === undefined) return false
  for (const name of relative(step, normal).split('/')) {
    step = join(step, name)
    if (await isLink(step)) return true
  }
  return false
}

/** @throws {ApiError} if the path of a disk, or a folder above it in its storage, is a symbolic link. */
export async function requireNoLink({ store }: Pick<Pve, 'store'>, path: string): Promise<void> {
  if (await hasLink(store.state, path))
    throw failure(`can't open file '${path}': Too many levels of symbolic links`)
}

function pathsOf({ disks, uefi, tpm }: GuestStart): string[] {
  const own = [uefi?.variables, tpm?.path].filter(path => path !== undefined)
  return [...disks.map(({ path }) => path), ...own]
}

/** Wraps a driver: it refuses disks whose path passes a link. New ones are checked where they are made. A link in the place of a disk is deleted as what it is. */
export function withoutLinks(driver: GuestDriver, store: Pve['store']): GuestDriver {
  const plain = async (...paths: string[]): Promise<void> => {
    for (const path of paths) await requireNoLink({ store }, path)
  }
  return {
    ...driver,
    cloneDisk: (source, target, mode, snapshot) =>
      plain(source).then(() => driver.cloneDisk(source, target, mode, snapshot)),
    snapshotDisk: (path, name) => plain(path).then(() => driver.snapshotDisk(path, name)),
    rollbackDisk: (path, name) => plain(path).then(() => driver.rollbackDisk(path, name)),
    exportDisk: (path, file, snapshot) => plain(path).then(() => driver.exportDisk(path, file, snapshot)),
    resizeDisk: (path, size) => plain(path).then(() => driver.resizeDisk(path, size)),
    deleteDisk: async path => {
      if (!(await hasLink(store.state, dirname(path)))) await driver.deleteDisk(path)
    },
    start: guest => plain(...pathsOf(guest)).then(() => driver.start(guest)),
  }
}
