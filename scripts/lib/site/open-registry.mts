import { openFileStore } from '../registry/file/file-store.mts'
import { openPostgresStore } from '../registry/postgres/postgres-store.mts'
import type { RegistryStore } from '../registry/store.mts'
import type { RegistryPlace, Site } from './site.mts'

/** @param purpose Name of the work, shown to a run that finds the registry locked: `vm create web-1`. */
export async function openRegistry(purpose: string, place: RegistryPlace): Promise<RegistryStore> {
  return place.kind === 'postgres'
    ? openPostgresStore(place.url, place.known)
    : openFileStore({ folder: place.folder, purpose })
}

/** Opens the registry for one piece of work, and always closes it. */
export async function withRegistry<T>(
  site: Pick<Site, 'registryPlace'>,
  purpose: string,
  work: (store: RegistryStore) => Promise<T>,
): Promise<T> {
  const store = await openRegistry(purpose, await site.registryPlace())
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}
