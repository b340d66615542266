import { randomUUID } from 'node:crypto'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { whileHeld } from '../../run/lock.mts'
import { allocate, pickVmid, renumbered, withFurther } from '../allocate.mts'
import { conflictsOf } from '../check.mts'
import { neverMade } from '../entry.mts'
import { conflicting, noteOwn, type OwnRevisions, revised } from '../revise.mts'
import type { RegistryStore } from '../store.mts'
import {
  append,
  closeGeneration,
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
  /** Name of this run, shown to a run that finds the lock taken. */
  purpose: string
  /** Number of commits before a snapshot is written; if there are more entries, their number counts. Default: 1000. */
  compactAfter?: number
}

type Change = Partial<Pick<JournalRecord, 'put' | 'archive' | 'cursors'>>
type Decide<T> = (state: RegistryState) => Promise<{ change: Change; result: T }>

/** Tries of a commit without the lock: the first record of a serial counts, so it is not needed. */
const FREE_TRIES = 4
/** Tries with the lock, after conflicts. It keeps most other writers away. */
const LOCKED_TRIES = 100

/** Opens the registry in a folder. The folder must be on a local file system, where appending is atomic. */
export function openFileStore(options: FileStoreOptions): RegistryStore {
  const { folder } = options
  // Reads of the journal's tail run one by one: two at once would apply it twice.
  const inTurn = turns()
  let generation: Generation | undefined
  const own: OwnRevisions = new Map()

  /** Reads the current state. Call it through `inTurn` only. */
  const refresh = async (): Promise<Generation> => {
    if (generation !== undefined) await readTail(generation)
    if (generation === undefined || generation.sealed || generation.replaced) {
      await closeGeneration(generation)
      generation = undefined
      generation = await openGeneration(folder)
    }
    return generation
  }

  /** Runs `decide` on the state and commits its change. If other writers are faster, it is called again. */
  const commit = async <T,>(decide: Decide<T>): Promise<T> => {
    const done = await inTurn(() => commitWithin(FREE_TRIES, decide))
    if (done !== undefined) return done.result
    return withRegistryLock(folder, 'registry', options.purpose, async () => {
      const locked = await inTurn(() => commitWithin(LOCKED_TRIES, decide))
      if (locked !== undefined) return locked.result
      throw tooBusy(folder)
    })
  }

  const commitWithin = async <T,>(most: number, decide: Decide<T>): Promise<{ result: T } | undefined> => {
    for (let tries = 0; tries < most; tries++) {
      const current = await writable(refresh)
      const { change, result } = await decide(current.state)
      const record = recordOf(current.state, change)
      if (await append(current, record)) {
        for (const entry of [...record.put, ...record.archive]) noteOwn(own, entry)
        await compactIfLong(current, options)
        return { result }
      }
    }
    return undefined
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
    change: (read, revise) =>
      commit(async state => {
        const changed = revised(read, state.entries.get(read.name), own, revise)
        const change: Change = changed.phase === 'destroyed' ? { archive: [changed] } : { put: [changed] }
        return { change, result: changed }
      }),
    reserveFurther: (read, wanted, limits, revise) =>
      commit(async state => {
        const cursors = { ...state.cursors }
        const current = state.entries.get(read.name)
        const grown = current && (await withFurther(current, wanted, limits, heldBy(state), cursors))
        const changed = revised(read, grown, own, revise)
        return { change: { put: [changed], cursors }, result: changed }
      }),
    previewFurther: async (read, wanted, limits) => {
      const { state } = await inTurn(refresh)
      return withFurther(read, wanted, limits, heldBy(state), { ...state.cursors })
    },
    renumber: (read, limits) =>
      commit(async state => {
        const cursors = { ...state.cursors }
        const living = state.entries.get(read.name)
        const ended = revised(read, living, own, one => neverMade(one, limits.now))
        const begun = await renumbered(living!, limits, heldBy(state), cursors)
        return { change: { put: [begun], archive: [ended], cursors }, result: begun }
      }),
    reserveSpare: (read, limits, revise) =>
      commit(async state => {
        const cursors = { ...state.cursors }
        const vmid = await pickVmid(limits, heldBy(state), cursors)
        const changed = revised(read, state.entries.get(read.name), own, one => revise(one, vmid))
        return { change: { put: [changed], cursors }, result: changed }
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
      return withRegistryLock(folder, `vm-${name}`, purpose, (lost, isHeld) =>
        whileHeld(purpose, lost, isHeld, run),
      )
    },
    close: () =>
      inTurn(async () => {
        await closeGeneration(generation)
        generation = undefined
      }),
  }
}

function tooBusy(folder: string): ProxmintError {
  return new ProxmintError(`other runs were faster ${LOCKED_TRIES} times at changing ${folder}`, {
    hint: 'nothing was changed; run the command again when fewer runs work at once',
    exitCode: exitCodes.locked,
  })
}

/** Makes a queue that runs one piece of work after the other, even if one fails. */
function turns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const mine = last.then(work, work)
    last = mine
    return mine
  }
}

/** Reads the current state for a commit. If a run died after it sealed the journal, its work is finished first. */
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

/** Writes a snapshot if the journal is long. More entries make it rarer, so the cost of a commit stays the same. */
async function compactIfLong(
  generation: Generation,
  { compactAfter = 1000 }: FileStoreOptions,
): Promise<void> {
  const { state, length } = generation
  if (length < Math.max(compactAfter, state.entries.size)) return
  if (await append(generation, { ...recordOf(state, {}), seal: true })) await finishSealed(generation)
}
