import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../scripts/lib/run/if-there.mts'

/** Makes the locks of a run that was killed as old as they are a minute later. @param folder with all of its locks. */
export async function ageLocks(folder: string): Promise<void> {
  // A run that goes on may give its lock back meanwhile.
  const names = (await ifThere(readdir(folder, { recursive: true }))) ?? (await readdir(folder))
  const past = new Date(Date.now() - 60_000)
  await Promise.all(
    names.filter(name => name.endsWith('.lock')).map(name => ifThere(utimes(join(folder, name), past, past))),
  )
}
