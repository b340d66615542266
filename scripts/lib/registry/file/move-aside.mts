import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFailed } from '../../run/atomic-file.mts'
import { requireUnlocked } from '../../run/lock.mts'
import { withRegistryLock } from './lock.mts'

/**
 * Order of the moves; within each kind the newest file is last. A run that dies in between leaves an unchanged registry,
 * a damaged one or none, but never an older one.
 */
const ORDER = [/^snapshot-/, /^journal-/, /./]

/**
 * Moves a registry into a new folder beside it, without its locks. The registry need not be readable.
 * @returns the new folder; undefined if there is nothing to move.
 * @throws ProxmintError (locked) if another run works on a VM; nothing is moved then.
 */
export async function moveRegistryAside(folder: string, purpose: string): Promise<string | undefined> {
  return withRegistryLock(folder, 'registry', purpose, async () => {
    const names = await readdir(folder)
    for (const vm of names.flatMap(name => /^(vm-.+)\.lock$/.exec(name)?.[1] ?? [])) {
      await requireUnlocked({ path: join(folder, vm), purpose })
    }
    const kept = names.filter(name => !/\.(lock|holder)$/.test(name))
    return kept.length === 0 ? undefined : moveAll(folder, kept)
  })
}

async function moveAll(folder: string, names: string[]): Promise<string> {
  const movedTo = `${folder}-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`
  const rank = (name: string): number => ORDER.findIndex(pattern => pattern.test(name))
  const inOrder = (a: string, b: string): number =>
    rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true })
  try {
    await mkdir(movedTo, { mode: 0o700 })
    for (const name of names.toSorted(inOrder)) {
      await rename(join(folder, name), join(movedTo, name))
    }
  } catch (cause) {
    throw writeFailed(movedTo, cause)
  }
  return movedTo
}
