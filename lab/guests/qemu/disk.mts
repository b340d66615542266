/** Disks of real machines. Each is a qcow2 file, whatever its name. A linked clone has a relative path to its base. */

import { rm } from 'node:fs/promises'
import { dirname, relative } from 'node:path'
import { run } from '../../core/process.mts'

interface ImageInfo {
  format: string
  'virtual-size': number
  'backing-filename'?: string
  snapshots?: { name: string }[]
  'format-specific'?: { data?: { 'data-file'?: string } }
}

function qemuImg(...args: string[]): Promise<string> {
  return run('qemu-img', args)
}

async function describe(path: string): Promise<ImageInfo> {
  return JSON.parse(await qemuImg('info', '--output=json', '--force-share', path)) as ImageInfo
}

/** @returns size of the disk that the guest sees, in bytes. */
export async function importImage(imagePath: string, target: string): Promise<number> {
  const image = await describe(imagePath)
  requireSelfContained(imagePath, image)
  await make(target, () => qemuImg('convert', '-f', image.format, '-O', 'qcow2', imagePath, target))
  return image['virtual-size']
}

/** Refuses an image that names another file: a downloaded image must not read files of this machine. */
function requireSelfContained(path: string, image: ImageInfo): void {
  if (path.endsWith('.qcow2') && image.format !== 'qcow2') throw new Error(`${path} is not a qcow2 image`)
  if (!['qcow2', 'raw'].includes(image.format))
    throw new Error(`${path} is in ${image.format} format; a disk is imported from qcow2 or raw`)
  const other = image['backing-filename'] ?? image['format-specific']?.data?.['data-file']
  if (other !== undefined) throw new Error(`${path} refers to another file, ${other}`)
}

export async function createDisk(target: string, sizeBytes: number): Promise<void> {
  await make(target, () => qemuImg('create', '-q', '-f', 'qcow2', target, String(sizeBytes)))
}

/** Clones a disk. A full clone needs no other file, even if its source is a linked clone. */
export async function cloneDisk(
  source: string,
  target: string,
  mode: 'full' | 'linked',
  snapshot?: string,
): Promise<void> {
  const base = relative(dirname(target), source)
  await make(target, () =>
    mode === 'full'
      ? convert(source, target, snapshot)
      : qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', target),
  )
}

function convert(source: string, target: string, snapshot: string | undefined): Promise<string> {
  const from = snapshot === undefined ? [] : ['-l', `snapshot.name=${snapshot}`]
  return qemuImg('convert', '--force-share', '-f', 'qcow2', ...from, '-O', 'qcow2', source, target)
}

async function snapshotNames(path: string): Promise<string[]> {
  return ((await describe(path)).snapshots ?? []).map(({ name }) => name)
}

/** Keeps the content of a disk that no guest uses inside its file. */
export async function snapshotDisk(path: string, name: string): Promise<void> {
  await qemuImg('snapshot', '-c', name, path)
}

export async function rollbackDisk(path: string, name: string): Promise<void> {
  await qemuImg('snapshot', '-a', name, path)
}

export async function deleteSnapshot(path: string, name: string): Promise<void> {
  if ((await snapshotNames(path)).includes(name)) await qemuImg('snapshot', '-d', name, path)
}

/** Writes a disk to a qcow2 file that needs no other file. */
export async function exportDisk(path: string, file: string, snapshot?: string): Promise<void> {
  await make(file, () => convert(path, file, snapshot))
}

/** Grows a disk that no guest uses. */
export async function resizeDisk(path: string, sizeBytes: number): Promise<void> {
  const { 'virtual-size': present } = await describe(path)
  if (sizeBytes < present) {
    throw new Error(`disk ${path} has ${present} bytes; shrinking it to ${sizeBytes} is not supported`)
  }
  await qemuImg('resize', '-q', '-f', 'qcow2', path, String(sizeBytes))
}

export async function deleteDisk(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** Makes a disk. Removes its file if that fails. */
async function make(target: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    await deleteDisk(target)
    throw error
  }
}
