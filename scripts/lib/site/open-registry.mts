import { join } from 'node:path'
import { loadConfig } from '../config/load.mts'
import { loadRegistryUrl } from '../config/registry.mts'
import { openFileStore } from '../registry/file/file-store.mts'
import { openPostgresStore } from '../registry/postgres/postgres-store.mts'
import type { RegistryStore } from '../registry/store.mts'

/** Where the registry is: a folder of this machine, or a database. */
export type RegistryPlace = { kind: 'file'; folder: string } | { kind: 'postgres'; url: string }

export async function registryPlace(): Promise<RegistryPlace> {
  const url = await loadRegistryUrl()
  if (url !== undefined) return { kind: 'postgres', url }
  const { stateDir } = await loadConfig()
  return { kind: 'file', folder: join(stateDir, 'registry') }
}

/** @param purpose what is running, for whoever finds the registry locked: `vm create web-1`. */
export async function openRegistry(purpose: string, place?: RegistryPlace): Promise<RegistryStore> {
  const where = place ?? (await registryPlace())
  return where.kind === 'postgres'
    ? openPostgresStore(where.url)
    : openFileStore({ folder: where.folder, purpose })
}

/** Opens the registry for one piece of work and closes it, however that ends. */
export async function withRegistry<T>(
  purpose: string,
  work: (store: RegistryStore) => Promise<T>,
): Promise<T> {
  const store = await openRegistry(purpose)
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}
