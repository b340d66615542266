/**
 * The file of a backup: a tar file with the VM's options and one file for each disk, compressed or not. It has the name
 * of Proxmox's own format, which only Proxmox's QEMU writes.
 */

import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { run } from '../../core/process.mts'
import { failure } from '../core/errors.mts'

/** Extensions by the value of the parameter `compress`. */
const EXTENSIONS: Record<string, string> = { '0': '', '1': '.lzo', lzo: '.lzo', gzip: '.gz', zstd: '.zst' }

const CONFIG = 'qemu-server.conf'

/** Returns the end of an archive's name. @param compress value of that parameter; undefined: not compressed. */
export function archiveExtension(compress = '0'): string {
  return `.vma${EXTENSIONS[compress]}`
}

type Direction = 'compress' | 'decompress'

/** Returns the (de)compressor for a name. @throws {ApiError} for LZO, whose program this node lacks. */
function codecFor(name: string, direction: Direction): Transform | undefined {
  if (name.endsWith('.lzo')) throw failure("command 'lzop' failed: No such file or directory")
  if (name.endsWith('.gz')) return direction === 'compress' ? createGzip() : createGunzip()
  if (name.endsWith('.zst')) return direction === 'compress' ? createZstdCompress() : createZstdDecompress()
  return undefined
}

async function recode(from: string, to: string, name: string, direction: Direction): Promise<void> {
  const codec = codecFor(name, direction)
  const [source, target] = [createReadStream(from), createWriteStream(to)]
  await (codec ? pipeline(source, codec, target) : pipeline(source, target))
}

/** Returns the path of a disk in the folder of an archive. */
export function diskFile(folder: string, slot: string): string {
  return join(folder, `drive-${slot}`)
}

/** Packs a folder. @param config text of the options. @param target path whose name says the compression. */
export async function pack(folder: string, config: string, target: string): Promise<void> {
  const [whole, half] = [`${folder}.tar`, `${target}.dat`]
  try {
    await writeFile(join(folder, CONFIG), config, { mode: 0o600 })
    await run('tar', ['-C', folder, '--sparse', '-cf', whole, '.'])
    await recode(whole, half, target, 'compress')
    await run('mv', ['--', half, target])
  } finally {
    await Promise.all([whole, half].map(path => rm(path, { force: true })))
  }
}

/** Unpacks an archive into a new folder. @returns text of the options. @throws {ApiError} for another file. */
export async function unpack(archive: string, folder: string): Promise<string> {
  const whole = `${folder}.tar`
  try {
    await mkdir(folder, { recursive: true })
    await recode(archive, whole, archive, 'decompress')
    await run('tar', ['-C', folder, '-xf', whole])
    return await readFile(join(folder, CONFIG), 'utf8')
  } catch {
    throw failure(`unable to extract the backup '${archive}'`)
  } finally {
    await rm(whole, { force: true })
  }
}
