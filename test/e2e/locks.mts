import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes the locks of a run that was killed as old as they are a minute later. @param folder with all of its locks. */
export async function ageLocks(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true })
  const past = new Date(Date.now() - 60_000)
  await Promise.all(
    names.filter(name => name.endsWith('.lock')).map(name => utimes(join(folder, name), past, past)),
  )
}
