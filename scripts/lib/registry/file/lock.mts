import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFailed } from '../../run/atomic-file.mts'
import { type LockInfo, withLock } from '../../run/lock.mts'

/** Runs `work` under a lock in the registry's folder. Makes the folder if necessary, readable by its owner only. */
export async function withRegistryLock<T>(
  folder: string,
  { name, ...info }: Omit<LockInfo, 'path'> & { name: string },
  work: (lost: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    await mkdir(dirname(folder), { recursive: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw writeFailed(folder, cause)
  }
  return withLock({ ...info, path: join(folder, name) }, work)
}
