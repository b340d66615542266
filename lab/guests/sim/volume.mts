/**
 * Volumes of simulated guests. A volume is a folder with `volume.json` and, below `root`, the root file system. A
 * linked clone has no root of its own, only the path of its base.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAccessible } from '../../core/files.mts'
import { run } from '../../core/process.mts'
import { DESCRIPTION_ENTRY, readDescription } from '../../images/format.mts'

/** Content of `volume.json`. */
export interface Volume {
  /** Id of the root partition; undefined for a blank disk. */
  partuuid: string | undefined
  sizeBytes: number
  /** Path of a linked clone's base. */
  backing: string | undefined
}

/** Size of Debian's cloud images. */
const IMAGE_SIZE_BYTES = 3 * 1024 ** 3

export function rootOf(volumePath: string): string {
  return join(volumePath, 'root')
}

export async function readVolume(path: string): Promise<Volume> {
  const text = await readFile(join(path, 'volume.json'), 'utf8').catch(error => {
    throw new Error(`volume ${path} cannot be read: ${(error as Error).message}`)
  })
  return JSON.parse(text) as Volume
}

/** Reads the bytes of the disk in an image of the lab; undefined for other files. */
export function ownImageSize(imagePath: string): Promise<number | undefined> {
  return readDescription(imagePath).then(
    () => IMAGE_SIZE_BYTES,
    () => undefined,
  )
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
export function cloneVolume(source: string, target: string, mode: 'full' | 'linked'): Promise<void> {
  return makeVolume(target, async () => {
    const volume = await readVolume(source)
    if (mode === 'linked') {
      await writeVolume(target, { ...volume, backing: source })
      return
    }
    const original = volume.backing ?? source
    if (await isAccessible(rootOf(original)))
      await run('cp', ['-a', '--reflink=auto', rootOf(original), rootOf(target)])
    await writeVolume(target, { ...volume, backing: undefined })
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
