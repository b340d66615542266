import { readdir, readFile, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../scripts/lib/run/if-there.mts'

/** Makes the locks of a run that was killed as old as they are a minute later. @param folder with all of its locks. */
export async function ageLocks(folder: string): Promise<void> {
  await Promise.all((await locksIn(folder)).map(age))
}

/** Makes the locks of one process as old as they are if it stands still for a minute. */
export async function ageLocksOf(pid: number, folder: string): Promise<void> {
  const locks = await locksIn(folder)
  const holders = await Promise.all(
    locks.map(lock => ifThere(readFile(lock.replace(/lock$/, 'holder'), 'utf8'))),
  )
  await Promise.all(locks.filter((_, index) => holders[index]?.includes(`process ${pid} on`)).map(age))
}

async function locksIn(folder: string): Promise<string[]> {
  // A run that goes on may give its lock back meanwhile, and a killed one may have made no folder.
  const names =
    (await ifThere(readdir(folder, { recursive: true }))) ?? (await ifThere(readdir(folder))) ?? []
  return names.filter(name => name.endsWith('.lock')).map(name => join(folder, name))
}

async function age(lock: string): Promise<void> {
  const past = new Date(Date.now() - 60_000)
  await ifThere(utimes(lock, past, past))
}

/** Makes the lock of one VM as old as it is a minute after the run that held it was killed. */
export async function ageLocksOfVm(name: string, folder: string): Promise<void> {
  const locks = await locksIn(folder)
  await Promise.all(locks.filter(lock => lock.endsWith(`/vm-${name}.lock`)).map(age))
}
