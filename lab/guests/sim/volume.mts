/**
 * Volumes of simulated guests. A volume is a folder with `volume.json` and, below `root`, the root file system. A
 * linked clone has no root of its own, only the path of its base.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAccessible } from '../../core/files.mts'
import { run } from '../../core/process.mts'
import { DESCRIPTION_ENTRY, IMAGE_SIZE_BYTES, readDescription } from '../../images/format.mts'

/** Content of `volume.json`. */
export interface Volume {
  /** Id of the root partition; undefined for a blank disk. */
  partuuid: string | undefined
  sizeBytes: number
  /** Path of a linked clone's base. */
  backing: string | undefined
}

export function rootOf(volumePath: string): string {
  return join(volumePath, 'root')
}

export async function readVolume(path: string): Promise<Volume> {
  const text = await readFile(join(path, 'volume.json'), 'utf8').catch(error => {
    throw new Error(`volume ${path} cannot be read: ${(error as Error).message}`)
  })
  return JSON.parse(text) as Volume
}

/** Unpacks an image of the lab into a new volume. Returns the size of its disk in bytes. */
export async function importVolume(imagePath: string, target: string): Promise<number> {
  await makeVolume(target, async () => {
    const { partuuid } = await readDescription(imagePath)
    await mkdir(rootOf(target))
    // The guest gets its own /dev at boot. A mapped root cannot make device nodes.
    const leftOut = ['--exclude=./dev/*', `--exclude=${DESCRIPTION_ENTRY}`]
    await run('tar', ['-C', rootOf(target), '--numeric-owner', ...leftOut, '-xf', imagePath])
    await writeVolume(target, { partuuid, sizeBytes: IMAGE_SIZE_BYTES, backing: undefined })
  })
  return IMAGE_SIZE_BYTES
}

export function createBlankVolume(target: string, sizeBytes: number): Promise<void> {
  return makeVolume(target, () => writeVolume(target, { partuuid: undefined, sizeBytes, backing: undefined }))
}

/** Clones a volume. A full clone copies the root file system (150 MB, a third of a second), a linked one nothing. */
export function cloneVolume(
  source: string,
  target: string,
  mode: 'full' | 'linked',
  snapshot?: string,
): Promise<void> {
  return makeVolume(target, async () => {
    const from = snapshot === undefined ? source : await requireSnapshot(source, snapshot)
    const volume = await readVolume(from)
    if (mode === 'linked') {
      await writeVolume(target, { ...volume, backing: from })
      return
    }
    await copyRoot(volume.backing ?? from, target)
    await writeVolume(target, { ...volume, backing: undefined })
  })
}

async function copyRoot(from: string, to: string): Promise<void> {
  if (await isAccessible(rootOf(from))) await run('cp', ['-a', '--reflink=auto', rootOf(from), rootOf(to)])
}

/** A snapshot is a volume in the folder of its own. */
function snapshotOf(path: string, name: string): string {
  return join(path, 'snapshots', name)
}

async function requireSnapshot(path: string, name: string): Promise<string> {
  if (await isAccessible(snapshotOf(path, name))) return snapshotOf(path, name)
  throw new Error(`volume ${path} has no snapshot ${name}`)
}

export function snapshotVolume(path: string, name: string): Promise<void> {
  return makeVolume(snapshotOf(path, name), async () => {
    await copyRoot(path, snapshotOf(path, name))
    await writeVolume(snapshotOf(path, name), await readVolume(path))
  })
}

export async function rollbackVolume(path: string, name: string): Promise<void> {
  const from = await requireSnapshot(path, name)
  await rm(rootOf(path), { recursive: true, force: true })
  await copyRoot(from, path)
  await writeVolume(path, await readVolume(from))
}

export function deleteSnapshot(path: string, name: string): Promise<void> {
  return deleteVolume(snapshotOf(path, name))
}

/** Writes a volume to a tar file, with the root file system of its base if it is a linked clone. */
export async function exportVolume(path: string, file: string, snapshot?: string): Promise<void> {
  const copy = `${file}.tmp`
  try {
    await cloneVolume(path, copy, 'full', snapshot)
    await run('tar', ['-C', copy, '--numeric-owner', '-cf', file, '.'])
  } finally {
    await deleteVolume(copy)
  }
}

export function restoreVolume(file: string, target: string): Promise<void> {
  return makeVolume(target, async () => {
    await run('tar', ['-C', target, '--numeric-owner', '-xf', file])
  })
}

/** Grows a volume. @throws for a size below the present one. */
export async function growVolume(path: string, sizeBytes: number): Promise<void> {
  const volume = await readVolume(path)
  if (sizeBytes < volume.sizeBytes) {
    throw new Error(
      `volume ${path} has ${volume.sizeBytes} bytes; shrinking it to ${sizeBytes} is not supported`,
    )
  }
  await writeVolume(path, { ...volume, sizeBytes })
}

export async function deleteVolume(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true })
}

async function makeVolume(target: string, fill: () => Promise<void>): Promise<void> {
  await mkdir(target, { recursive: true })
  try {
    await fill()
  } catch (error) {
    await deleteVolume(target)
    throw error
  }
}

function writeVolume(path: string, volume: Volume): Promise<void> {
  return writeFile(join(path, 'volume.json'), `${JSON.stringify(volume)}\n`)
}
