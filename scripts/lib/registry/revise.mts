import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { type Entry, FIXED_KEYS } from './entry.mts'
import type { RegistryStore } from './store.mts'

/** Result of `revise` for an entry. @throws Error if it changed one of `FIXED_KEYS`: a defect of the caller. */
export function revised(entry: Entry, revise: (entry: Entry) => Entry): Entry {
  const changed = revise(entry)
  const touched = FIXED_KEYS.filter(key => changed[key] !== entry[key])
  if (touched.length > 0) throw new Error(`the ${touched.join(' and ')} of ${entry.name} cannot be changed`)
  return changed
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

export function noSuchEntry(name: string, known: Iterable<string> = []): ProxmintError {
  return new ProxmintError(`there is no VM ${name} in the registry${didYouMean(name, known)}`, {
    hint: 'zx scripts/vm.mts list',
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
