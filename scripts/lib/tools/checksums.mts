/**
 * Hashes of what was downloaded, in `tools/checksums.json`. They are recorded at the first download, committed by the
 * user as a lock file is, and compared at every later one: a publisher who exchanges a release later is found out.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { changeFile } from '../run/change-file.mts'
import { exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { ifThere } from '../run/if-there.mts'
import { say } from '../run/progress.mts'
import { TOOLS_FOLDER } from './pins.mts'

export const CHECKSUMS = new URL('checksums.json', TOOLS_FOLDER)

/** `sops 3.13.3 linux-x64` -> path in its folder -> SHA-256, hexadecimal. */
type Checksums = Record<string, Record<string, string>>

/**
 * Compares the files of a download with the recorded hashes; records them if there are none for this release yet.
 * @param release Name and version: `sops 3.13.3`.
 * @throws ProxmintError (invalid) If a file differs, is new or is missing.
 */
export async function requireKnownChecksums(
  file: URL | string,
  release: string,
  folder: string,
): Promise<void> {
  const key = `${release} ${platform()}-${arch()}`
  const found = await checksumsOf(folder)
  const path = typeof file === 'string' ? file : fileURLToPath(file)
  // Compared without the lock, so that a checkout that cannot be written does not keep anybody from it.
  if (isKnown(await ifThere(readFile(path, 'utf8')), key, found, path)) return
  try {
    const isNew = await changeFile({ path, purpose: 'record a checksum', waitMs: 20_000 }, async text => {
      if (isKnown(text, key, found, path)) return { text, result: false }
      return { text: format({ ...parse(text, path), [key]: found }), result: true }
    })
    if (isNew) say(`the hash of ${key} is recorded in tools/checksums.json: commit it`)
  } catch (error) {
    if (error instanceof ProxmintError && error.exitCode === exitCodes.invalid) throw error
    say(`warning: the hash of ${key} is not recorded: ${messageOf(error)}`)
  }
}

/** Checks whether hashes of the release are recorded. @throws ProxmintError (invalid) If they differ from those found. */
function isKnown(
  text: string | undefined,
  key: string,
  found: Record<string, string>,
  path: string,
): boolean {
  const known = parse(text, path)
  if (!Object.hasOwn(known, key)) return false
  requireEqual(key, known[key]!, found, path)
  return true
}

function parse(text: string | undefined, path: string): Checksums {
  try {
    return JSON.parse(text ?? '{}') as Checksums
  } catch (cause) {
    throw new ProxmintError(`its release is refused: ${path} is not JSON`, {
      hint: 'restore it: git checkout tools/checksums.json',
      cause,
      exitCode: exitCodes.invalid,
    })
  }
}

function requireEqual(
  key: string,
  known: Record<string, string>,
  found: Record<string, string>,
  path: string,
): void {
  const names = [...new Set([...Object.keys(known), ...Object.keys(found)])].sort()
  const differing = names.filter(name => known[name] !== found[name])
  if (differing.length === 0) return
  throw new ProxmintError(`its release is refused: ${differing.join(', ')} of ${key} differs from ${path}`, {
    hint: `somebody may have exchanged the release; if its publisher says that this is right, remove "${key}" there`,
    exitCode: exitCodes.invalid,
  })
}

async function checksumsOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
  const sums: Record<string, string> = {}
  for (const file of files) sums[relative(folder, file)] = await sha256(file)
  return sums
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

function format(checksums: Checksums): string {
  const sorted = Object.entries(checksums).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`
}
