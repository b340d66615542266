import { basename, dirname, join } from 'node:path'
import { type LockedWork, withLock } from '../../run/lock.mts'
import { privateFolder } from '../../run/private-folder.mts'

/** Makes the registry's folder if necessary, readable by its owner only. @throws ProxmintError Also if it is a link. */
export function makeRegistryFolder(folder: string): void {
  privateFolder(dirname(folder), basename(folder))
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
  makeRegistryFolder(folder)
  const patience = name === 'registry' ? { waitMs: 30_000, retryMs: 20 } : {}
  return withLock({ path: join(folder, name), purpose, ...patience }, work)
}
