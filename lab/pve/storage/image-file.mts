/** Reads what an image file holds, as `qemu-img info` does, and refuses what it must not (PVE/Storage/Plugin.pm). */

import { type FileHandle, open, stat } from 'node:fs/promises'
import { failure } from '../core/errors.mts'
import { asShown } from '../core/node-paths.mts'
import type { Pve } from '../core/pve.mts'

interface ImageInfo {
  /** Bytes of the disk that a guest sees. */
  size: number
  /** Bytes that the file takes. */
  used: number
  format: string
  /** Path of the file that it needs, as written in it. */
  backing: string | undefined
}

const SECTOR = 512
/** Bit of a qcow2 header: the data are in another file. */
const DATA_FILE = 4n

/** Bytes of the longest name of a backing file. */
const LONGEST_BACKING = 1023

type Header = Pick<ImageInfo, 'size' | 'backing'>

async function bytesAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset)
  return buffer.subarray(0, bytesRead)
}

async function readQcow2(file: FileHandle, shown: string): Promise<Header> {
  const header = await bytesAt(file, 0, 104)
  if (header.length < 72 || header.toString('latin1', 0, 4) !== 'QFI\xfb')
    throw failure(`qemu-img: Could not open '${shown}': Image is not in qcow2 format`)
  const features = header.readUInt32BE(4) >= 3 && header.length >= 80 ? header.readBigUInt64BE(72) : 0n
  if ((features & DATA_FILE) !== 0n) throw failure(`${shown}: 'data-file' references are not allowed!`)
  const offset = header.readBigUInt64BE(8)
  const length = header.readUInt32BE(16)
  // A cluster has 2 MiB at most, and QEMU wants the name in the first one.
  if (offset > 2n ** 21n) throw failure(`qemu-img: Could not open '${shown}': Invalid backing file offset`)
  if (offset > 0n && length > LONGEST_BACKING)
    throw failure(`qemu-img: Could not open '${shown}': Backing file name too long`)
  const backing = offset === 0n ? undefined : await bytesAt(file, Number(offset), length)
  return { size: Number(header.readBigUInt64BE(24)), backing: backing?.toString('utf8') }
}

async function readVmdk(file: FileHandle, shown: string): Promise<Header> {
  const start = await bytesAt(file, 0, 20 * SECTOR)
  if (start.toString('latin1', 0, 4) === 'KDMV')
    return { size: Number(start.readBigUInt64LE(12)) * SECTOR, backing: undefined }
  const text = start.toString('latin1')
  if (!/^# Disk DescriptorFile/.test(text))
    throw failure(`qemu-img: Could not open '${shown}': invalid VMDK image descriptor`)
  const extents = [...text.matchAll(/^R[WD]\w*\s+(\d+)\s+/gm)]
  if (extents.length > 1) throw failure(`${shown}: multiple children or extents are not allowed!`)
  return { size: Number(extents[0]?.[1] ?? 0) * SECTOR, backing: undefined }
}

async function readRaw(file: FileHandle): Promise<Header> {
  const { size } = await file.stat()
  return { size: Math.ceil(size / SECTOR) * SECTOR, backing: undefined }
}

async function formatOf(file: FileHandle): Promise<string> {
  const magic = (await bytesAt(file, 0, 4)).toString('latin1')
  return magic === 'QFI\xfb' ? 'qcow2' : magic === 'KDMV' ? 'vmdk' : 'raw'
}

function headerOf(file: FileHandle, format: string, shown: string): Promise<Header> {
  if (format === 'qcow2') return readQcow2(file, shown)
  return format === 'vmdk' ? readVmdk(file, shown) : readRaw(file)
}

function shownPath(pve: Pve, path: string): string {
  return asShown({ state: pve.store.state, node: pve.node }, path)
}

/**
 * Reads an image file. An image that the guest driver makes for its own guests is right in any format.
 * @param wanted format that it must have. Undefined: the one that its first bytes tell.
 * @param shown path for the errors.
 * @throws {ApiError} for a file that is missing or not in that format.
 */
async function readImage(
  pve: Pve,
  path: string,
  wanted: string | undefined,
  shown: string,
): Promise<ImageInfo> {
  const info = await stat(path).catch(() => undefined)
  if (!info) throw failure(`failed to stat '${shown}'`)
  const used = info.blocks * SECTOR
  const own = await pve.driver.ownImageSize?.(path)
  if (own !== undefined) return { size: own, used, format: wanted ?? 'qcow2', backing: undefined }
  await using file = await open(path)
  const format = wanted ?? (await formatOf(file))
  return { ...(await headerOf(file, format, shown)), used, format }
}

/** Reads an image from outside, which must not name another file. Parameters as above. @throws {ApiError} */
export async function requireTrustable(
  pve: Pve,
  path: string,
  wanted: string | undefined,
  shown: string = shownPath(pve, path),
): Promise<ImageInfo> {
  const image = await readImage(pve, path, wanted, shown)
  if (image.backing !== undefined) throw failure(`backing file not allowed for untrusted image '${shown}'!`)
  return image
}

/** Reads an image of the node's own. @returns undefined for one that is missing or not in this format. */
export function findImage(pve: Pve, path: string, format: string): Promise<ImageInfo | undefined> {
  return readImage(pve, path, format, shownPath(pve, path)).catch(() => undefined)
}
