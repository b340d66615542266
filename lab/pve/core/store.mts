/** Keeps the state in one file that is always whole: temporary file, fsync, rename, fsync of the folder. */

import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { State } from './state.mts'

export interface Store {
  /** Data that callers may change. `save()` makes changes durable. */
  state: State
  /** Writes the state. Resolves when all changes before the call are on disk. */
  save(): Promise<void>
  /** Resolves when the saves that began before the call have ended, well or not. */
  durable(): Promise<void>
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Replaces a file: at each moment it is the old one or the new one. Only its owner can read it. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  await syncFolder(dirname(file))
}

/**
 * Copies JSON data to objects without a prototype. Ids come from clients: a lookup of the pool `constructor` must find
 * nothing unless that pool exists.
 */
export function withoutPrototypes<T>(state: T): T {
  return JSON.parse(JSON.stringify(state), (_, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.assign(Object.create(null), value)
      : value,
  )
}

async function readState(file: string): Promise<State | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as State
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(
      `cannot read the lab's state ${file}: ${(error as Error).message}; remove it to start afresh`,
    )
  }
}

/** Opens `dataDir/state.json`. Begins with `initial()` if there is none. */
export async function openStore(dataDir: string, initial: () => State): Promise<Store> {
  await mkdir(dataDir, { recursive: true })
  const file = join(dataDir, 'state.json')
  const durable = (): Promise<void> => (queued ?? writing).catch(() => {})
  const store: Store = { state: withoutPrototypes((await readState(file)) ?? initial()), save, durable }
  let writing = Promise.resolve()
  let queued: Promise<void> | undefined

  // All saves that wait for a running write share the next one.
  function save(): Promise<void> {
    queued ??= writing
      .catch(() => {})
      .then(() => {
        queued = undefined
        writing = writeWhole(file, JSON.stringify(store.state))
        return writing
      })
    return queued
  }
  return store
}
