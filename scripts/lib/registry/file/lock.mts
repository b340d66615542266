import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFailed } from '../../run/atomic-file.mts'
import { type LockedWork, withLock } from '../../run/lock.mts'

/** Makes the registry's folder if necessary, readable by its owner only. */
export async function makeRegistryFolder(folder: string): Promise<void> {
  try {
    await mkdir(dirname(folder), { recursive: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw writeFailed(folder, cause)
  }
}

/**
 * Runs `work` under a lock of a registry. Makes the registry's folder if necessary.
 * @param name `registry`: waits up to 30 s for other runs. `vm-NAME`: does not wait.
 * @param purpose of this run, shown to a run that finds the lock taken.
 * @throws ProxmintError (locked) if another run holds the lock.
 */
export async function withRegistryLock<T>(
  folder: string,
  name: 'registry' | `vm-${string}`,
  purpose: string,
  work: LockedWork<T>,
): Promise<T> {
  await makeRegistryFolder(folder)
  const patience = name === 'registry' ? { waitMs: 30_000, retryMs: 20 } : {}
  return withLock({ path: join(folder, name), purpose, ...patience }, work)
}
