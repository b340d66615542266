import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { type Entry, fixedKeys } from './entry.mts'
import type { RegistryStore } from './store.mts'

/** What `revise` made of an entry. What the registry hands out cannot be revised: that is a defect of the caller. */
export function revised(entry: Entry, revise: (entry: Entry) => Entry): Entry {
  const changed = revise(entry)
  const touched = fixedKeys.filter(key => changed[key] !== entry[key])
  if (touched.length > 0) throw new Error(`the ${touched.join(' and ')} of ${entry.name} cannot be changed`)
  return changed
}

/** The living entry of a name. @throws ProxmintError (usage) where there is none, with the nearest name. */
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

export function conflicting(conflicts: string[]): ProxmintError {
  const lines = conflicts.map(conflict => `  - ${conflict}`).join('\n')
  return new ProxmintError(`the entries contradict each other or those that are there:\n${lines}`, {
    hint: 'nothing was added; mend the file, or add them to an empty registry',
    exitCode: exitCodes.usage,
  })
}
