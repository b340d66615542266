/**
 * Number and id of the last commit, in a file beside the folder of the registry: `registry.last`. By it a registry that
 * was emptied, cut short, removed or exchanged is not taken for a new one.
 */
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../../run/errors.mts'
import { unreadable } from './damage.mts'
import { decodeLine, encodeLine } from './state.mts'

/** Commit that the registry had at least. */
export interface Marker {
  version: 1
  serial: number
  /** Id of the commit's record. */
  id: string
}

/** Length of the file in bytes. It is written in place, so that a commit stays cheap. */
const LENGTH = 128
const TRIES = 5

export function markerPath(folder: string): string {
  return `${folder}.last`
}

/**
 * Reads the marker. Read it before the journal: a commit is in the journal before it is in the marker.
 * @returns undefined if there is none; serial 1 if its content is damaged: there was a registry.
 * @throws ProxmintError if the file cannot be read.
 */
export function readMarker(folder: string): Marker | undefined {
  for (let tries = 0; tries < TRIES; tries++) {
    const text = readIfThere(markerPath(folder))
    if (text === undefined) return undefined
    // Another run may be writing it just now.
    const marker = decodeLine(text.trimEnd()) as Marker | undefined
    if (marker !== undefined) return marker
  }
  return { version: 1, serial: 1, id: '' }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw unreadable(path, error)
  }
}

/** The marker of an open registry. */
export interface OpenMarker {
  /**
   * Writes the last commit. Not synced: after a power cut an older commit may be in it, which is true, too. A failure is
   * ignored, because the commit is made.
   */
  note(serial: number, id: string): void
  close(): void
}

export function openMarker(folder: string): OpenMarker {
  let file: number | undefined
  return {
    note(serial, id) {
      const line = encodeLine({ version: 1, serial, id } satisfies Marker).trimEnd()
      try {
        file ??= openForWriting(markerPath(folder))
        writeSync(file, `${line.padEnd(LENGTH - 1)}\n`, 0)
      } catch {}
    },
    close() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}

/** Opens the file; makes it, for good, if it is not there. Never follows a link. */
function openForWriting(path: string): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    return openSync(path, O_RDWR | O_NOFOLLOW)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  const file = openSync(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
  return file
}
