import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { addressesOf, type Entry, FIXED_KEYS } from './entry.mts'
import type { RegistryStore } from './store.mts'

/** Revisions that one store wrote in a row, by id of the entry. */
export type OwnRevisions = Map<string, { first: number; last: number }>

/**
 * Entry as `revise` makes it, with the next revision.
 * @param current the entry with the name of `read` now.
 * @param own revisions that this store wrote: they do not conflict with what it read before.
 * @throws ProxmintError (locked) if another run changed the entry since it was read; Error if `revise` changed one of
 *   `FIXED_KEYS`, or added an address: a defect of the caller.
 */
export function revised(
  read: Entry,
  current: Entry | undefined,
  own: OwnRevisions,
  revise: (entry: Entry) => Entry,
): Entry {
  if (current?.id !== read.id) throw superseded(read, 'destroyed')
  if (!isCurrent(read, current, own)) throw superseded(read, 'changed')
  const changed = revise(current)
  const touched = FIXED_KEYS.filter(key => changed[key] !== current[key])
  if (touched.length > 0) throw new Error(`the ${touched.join(' and ')} of ${read.name} cannot be changed`)
  const had = addressesOf(current)
  if (addressesOf(changed).some(address => !had.includes(address)))
    throw new Error(`${read.name} cannot have an address that the registry did not assign`)
  return { ...changed, revision: revisionOf(current) + 1 }
}

/** Notes a revision that this store wrote. */
export function noteOwn(own: OwnRevisions, changed: Entry): void {
  const last = revisionOf(changed)
  const before = own.get(changed.id)
  own.set(changed.id, { first: before?.last === last - 1 ? before.first : last, last })
}

function isCurrent(read: Entry, current: Entry, own: OwnRevisions): boolean {
  const [then, now] = [revisionOf(read), revisionOf(current)]
  const written = own.get(read.id)
  return then === now || (written?.last === now && then >= written.first - 1)
}

function revisionOf({ revision = 0 }: Entry): number {
  return revision
}

function superseded({ name, id }: Entry, what: 'changed' | 'destroyed'): ProxmintError {
  return new ProxmintError(`another run ${what} ${name} meanwhile; nothing was written`, {
    facts: { entry: id },
    hint: `this run lost its lock: wait for the other run to end, then look at ${name}: zx scripts/vm.mts list`,
    exitCode: exitCodes.locked,
  })
}

/** Finds a living entry by its name. @throws ProxmintError (usage) with the nearest name if there is none. */
export async function requireEntry(
  store: Pick<RegistryStore, 'find' | 'list'>,
  name: string,
): Promise<Entry> {
  const entry = await store.find(name)
  if (entry !== undefined) return entry
  throw noSuchEntry(
    name,
    (await store.list()).map(known => known.name),
  )
}

function noSuchEntry(name: string, known: Iterable<string>): ProxmintError {
  return new ProxmintError(`there is no VM ${name} in the registry${didYouMean(name, known)}`, {
    hint: `zx scripts/vm.mts list prints those that are; if Proxmox has it: zx scripts/vm.mts adopt ${name}`,
    exitCode: exitCodes.usage,
  })
}

/** Error that lists why entries cannot be added. */
export function conflicting(conflicts: string[]): ProxmintError {
  const lines = conflicts.map(conflict => `  - ${conflict}`).join('\n')
  return new ProxmintError(`the entries conflict with each other or with the registry:\n${lines}`, {
    hint: 'nothing was added; correct the file, or add them to an empty registry',
    exitCode: exitCodes.usage,
  })
}
