/** Unpacks a download by the program that Proxmox uses for it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { failure } from '../core/errors.mts'

const COMMANDS: Record<string, readonly string[]> = {
  gz: ['zcat'],
  lzo: ['lzop', '-d', '-c'],
  zst: ['zstd', '-q', '-d', '-c'],
  bz2: ['bzcat', '-q'],
}

export const COMPRESSIONS = Object.keys(COMMANDS)

/** @throws {ApiError} for content that is never unpacked. */
export function requireDecompressor(content: string, compression: string | undefined): void {
  if (compression !== undefined && content !== 'iso')
    throw failure(`decompression not supported for ${content}`)
}

/** @param shown path of the packed file for the error. @throws {ApiError} if the program fails. */
export async function decompress(
  compression: string,
  from: string,
  to: string,
  shown: string,
): Promise<void> {
  const [file, ...args] = COMMANDS[compression]!
  const command = [file!, ...args]
  const child = spawn(file!, [...args, from], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'close')
  const written = pipeline(child.stdout, createWriteStream(to))
  const [code] = await Promise.all([ended, written]).then(
    ([result]) => result as [number],
    () => [127],
  )
  if (code !== 0) throw failure(`command '${[...command, shown].join(' ')}' failed: exit code ${code}`)
}
