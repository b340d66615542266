import type { Entry } from '../scripts/lib/registry/entry.mts'
import { requireEntry } from '../scripts/lib/registry/revise.mts'
import type { RegistryStore } from '../scripts/lib/registry/store.mts'

/** Reads an entry by its name and changes it. */
export async function changeEntry(
  store: RegistryStore,
  name: string,
  revise: (entry: Entry) => Entry,
): Promise<Entry> {
  return store.change(await requireEntry(store, name), revise)
}
