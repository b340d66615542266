import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../core/process.mts'
import { DESCRIPTION_ENTRY, readDescription } from '../../images/format.mts'

/**
 * A volume of a sim guest is a folder: `volume.json` and, below `root`, the root file system. A linked clone
 * has no root of its own, only the path of the volume it needs.
 */
export interface Volume {
  /** Of the root partition; undefined for a blank disk. */
  partuuid: string | undefined
  sizeBytes: number
  /** The volume a linked clone is backed by. */
  backing: string | undefined
}

/** The size Debian gives its cloud images. */
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

/** Unpacks an image of the lab's own into a new volume. Resolves to the size of its disk, in bytes. */
export async function importVolume(imagePath: string, target: string): Promise<number> {
  await makeVolume(target, async () => {
    const { partuuid } = await readDescription(imagePath)
    await mkdir(rootOf(target))
    // A guest gets its own /dev at boot; its device nodes could not be made with mapped user ids.
    const leftOut = ['--exclude=./dev/*', `--exclude=${DESCRIPTION_ENTRY}`]
    await run('tar', ['-C', rootOf(target), '--numeric-owner', ...leftOut, '-xf', imagePath])
    await writeVolume(target, { partuuid, sizeBytes: IMAGE_SIZE_BYTES, backing: undefined })
  })
  return IMAGE_SIZE_BYTES
}

export function createBlankVolume(target: string, sizeBytes: number): Promise<void> {
  return makeVolume(target, () => writeVolume(target, { partuuid: undefined, sizeBytes, backing: undefined }))
}

/**
 * A full clone copies the root file system (150 MB, a third of a second), which keeps volumes plain folders
 * and independent of each other. A linked clone copies nothing.
 */
export function cloneVolume(source: string, target: string, mode: 'full' | 'linked'): Promise<void> {
  return makeVolume(target, async () => {
    const volume = await readVolume(source)
    if (mode === 'linked') {
      await writeVolume(target, { ...volume, backing: source })
      return
    }
    const original = volume.backing ?? source
    if (await hasRoot(original)) await run('cp', ['-a', '--reflink=auto', rootOf(original), rootOf(target)])
    await writeVolume(target, { ...volume, backing: undefined })
  })
}

/** Grows only: a size below the present one is refused. */
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

async function hasRoot(path: string): Promise<boolean> {
  return stat(rootOf(path)).then(
    () => true,
    () => false,
  )
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
