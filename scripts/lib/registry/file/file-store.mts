import { randomUUID } from 'node:crypto'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { lockLost } from '../../run/lock.mts'
import { allocate } from '../allocate.mts'
import { conflictsOf } from '../conflicts.mts'
import { conflicting, noSuchEntry, revised } from '../revise.mts'
import type { RegistryStore } from '../store.mts'
import {
  append,
  finishSealed,
  type Generation,
  openGeneration,
  readArchive,
  readTail,
} from './generation.mts'
import { withRegistryLock } from './lock.mts'
import { heldBy, type JournalRecord, type RegistryState } from './state.mts'

interface FileStoreOptions {
  folder: string
  /** What is running, for whoever finds the lock taken. */
  purpose: string
  /** How long to wait for other runs. */
  waitMs?: number
  /** Commits after which a snapshot is written. More entries may delay it. */
  compactAfter?: number
}

type Change = Partial<Pick<JournalRecord, 'put' | 'archive' | 'cursors'>>

/** How often a commit may find another writer faster: only with a lost lock, so hardly ever once. */
const maxTries = 5

/** The registry in a folder of this machine. It must be on a local file system, where appending is atomic. */
export function openFileStore(options: FileStoreOptions): RegistryStore {
  const { folder } = options
  // Two that take up the journal's tail at once would each take it for their own news.
  const inTurn = turns()
  let generation: Generation | undefined

  /** The state as of now. Only in turn. */
  const refresh = async (): Promise<Generation> => {
    if (generation !== undefined) await readTail(generation)
    if (generation === undefined || generation.sealed || generation.replaced) {
      await generation?.journal?.close()
      generation = await openGeneration(folder)
    }
    return generation
  }

  /** Runs `decide` on the state under the lock and commits what it wants changed. */
  const commit = async <T,>(
    decide: (state: RegistryState) => Promise<{ change: Change; result: T }>,
  ): Promise<T> => {
    const { purpose, waitMs = 30_000 } = options
    const lock = { name: 'registry', purpose, waitMs, retryMs: 20 }
    return withRegistryLock(folder, lock, () => inTurn(() => commitOnce(decide)))
  }

  const commitOnce = async <T,>(
    decide: (state: RegistryState) => Promise<{ change: Change; result: T }>,
  ): Promise<T> => {
    for (let tries = 0; tries < maxTries; tries++) {
      const current = await writable(refresh)
      const { change, result } = await decide(current.state)
      if (await append(current, recordOf(current.state, change))) {
        await compactIfLong(current, options)
        return result
      }
    }
    throw new ProxmintError(
      `${folder} was changed by others ${maxTries} times while this run held its lock`,
      {
        hint: 'the lock is lost again and again: is the machine suspended, or the folder on a network file system?',
        exitCode: exitCodes.locked,
      },
    )
  }

  return {
    description: `the registry in ${folder}`,
    list: async () => {
      const { state } = await inTurn(refresh)
      return [...state.entries.values()].sort((a, b) => a.name.localeCompare(b.name))
    },
    find: async name => (await inTurn(refresh)).state.entries.get(name),
    reserve: (wanted, limits) =>
      commit(async state => {
        const cursors = { ...state.cursors }
        const entries = await allocate(wanted, limits, heldBy(state), cursors)
        return { change: { put: entries, cursors }, result: entries }
      }),
    preview: async (wanted, limits) => {
      const { state } = await inTurn(refresh)
      return allocate(wanted, limits, heldBy(state), { ...state.cursors })
    },
    change: (name, revise) =>
      commit(async state => {
        const entry = state.entries.get(name)
        if (entry === undefined) throw noSuchEntry(name, state.entries.keys())
        const changed = revised(entry, revise)
        const change: Change = changed.phase === 'destroyed' ? { archive: [changed] } : { put: [changed] }
        return { change, result: changed }
      }),
    listArchived: () =>
      inTurn(async () => {
        const current = await refresh()
        return [...(await readArchive(current)), ...current.state.archived]
      }),
    add: (entries, archived) =>
      commit(async state => {
        const conflicts = conflictsOf([...state.entries.values()], entries)
        if (conflicts.length > 0) throw conflicting(conflicts)
        return { change: { put: entries, archive: archived }, result: undefined }
      }),
    exclusively: (name, work, run) => {
      const purpose = `${work} ${name}`
      return withRegistryLock(folder, { name: `vm-${name}`, purpose }, lost =>
        run(lost).catch(error => {
          throw lost.aborted ? lockLost(purpose, lost, error) : error
        }),
      )
    },
    close: () =>
      inTurn(async () => {
        await generation?.journal?.close()
        generation = undefined
      }),
  }
}

/** Runs one piece of work after the other, however the one before ended. */
function turns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const mine = last.then(work, work)
    last = mine
    return mine
  }
}

/** A journal that was sealed by a run that died then is finished first. */
async function writable(refresh: () => Promise<Generation>): Promise<Generation> {
  const current = await refresh()
  if (!current.sealed) return current
  await finishSealed(current)
  return refresh()
}

function recordOf(state: RegistryState, change: Change): JournalRecord {
  const record = { put: [], archive: [], cursors: {}, ...change }
  return { version: 1, serial: state.serial + 1, id: randomUUID(), seal: false, ...record }
}

/** Rarer the more there is to write, so that the cost of a commit does not grow with the number of entries. */
async function compactIfLong(
  generation: Generation,
  { compactAfter = 1000 }: FileStoreOptions,
): Promise<void> {
  const { state, length } = generation
  if (length < Math.max(compactAfter, state.entries.size)) return
  if (await append(generation, { ...recordOf(state, {}), seal: true })) await finishSealed(generation)
}
