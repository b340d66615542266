import { readFile } from 'node:fs/promises'
import { writeFileAtomic } from '../../run/atomic-file.mts'
import { ProxmintError } from '../../run/errors.mts'
import { ifThere } from '../../run/if-there.mts'

/** Registry that this machine used last. */
interface Known {
  /** Name of the database for people. */
  database: string
  /** Random id of the registry in it. */
  id: string
}

/**
 * Compares the registry of a database with the one that this machine used in it before, and notes it. By it a database
 * whose tables were dropped is not taken for a new one.
 * @param path of the file in the state folder.
 * @throws ProxmintError if the database has another registry now.
 */
export async function requireKnownRegistry(path: string, { database, id }: Known): Promise<void> {
  const known = parsed(await ifThere(readFile(path, 'utf8')))
  if (known?.database !== database) {
    // On a file system that is read-only, everything works but this comparison.
    await writeFileAtomic(path, `${JSON.stringify({ database, id })}\n`, 0o600).catch(() => undefined)
  } else if (known.id !== id) {
    throw new ProxmintError(`the registry in PostgreSQL is gone: ${database} has another one now`, {
      facts: { 'known by': path },
      hint:
        `bring the database back; or, if you want this one: rm ${path}, and restore a backup: ` +
        'zx scripts/registry.mts restore FILE; without a backup: zx scripts/vm.mts adopt --site',
    })
  }
}

function parsed(text: string | undefined): Partial<Known> | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) ?? undefined)
  } catch {
    return undefined
  }
}
