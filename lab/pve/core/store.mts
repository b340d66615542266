/** Keeps the state in one file that is always whole: temp file, fsync, rename, fsync of the folder. */

import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { State } from './state.mts'

export interface Store {
  /** Change it freely; it is durable after the next `save()`. */
  state: State
  /** Resolves when everything changed before the call is on disk. */
  save(): Promise<void>
  /** Resolves when everything whose saving was begun before the call is on disk, or could not be written. */
  durable(): Promise<void>
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

/** Replaces a file so that it is always the old one or the new one, readable by its owner alone. */
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
 * The same state in objects that have nothing but their own keys: ids come from clients, and a pool called
 * `constructor` must not be found where there is none.
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

/** Opens `dataDir/state.json`, or begins with `initial()` where there is none. */
export async function openStore(dataDir: string, initial: () => State): Promise<Store> {
  await mkdir(dataDir, { recursive: true })
  const file = join(dataDir, 'state.json')
  const durable = () => (queued ?? writing).catch(() => {})
  const store: Store = { state: withoutPrototypes((await readState(file)) ?? initial()), save, durable }
  let writing = Promise.resolve()
  let queued: Promise<void> | undefined

  // Saves that wait for a running one share the next: one write serves all of them.
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
