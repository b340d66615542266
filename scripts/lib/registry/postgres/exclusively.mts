import { hostname } from 'node:os'
import type { Client } from 'pg'
import type { Database } from '../../database/postgres.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { type LockedWork, whileHeld } from '../../run/lock.mts'

/** First key of the advisory locks of VMs. The lock of `lockRegistry` has one key, so they cannot collide. */
const LOCK_SPACE = 7_730

/**
 * Runs `work` under an advisory lock of one VM. The lock ends with the connection, so a run that dies frees it at once.
 * The name of the holder is stored for the error of another run.
 * @throws ProxmintError (locked) as `RegistryStore.exclusively`.
 */
export async function exclusively<T>(
  database: Database,
  name: string,
  purpose: string,
  work: LockedWork<T>,
): Promise<T> {
  return database.withConnection(async (client, lost) => {
    await lock(client, name, purpose).catch(error => {
      throw error instanceof ProxmintError ? error : database.failed(error)
    })
    // The lock is held as long as its connection lives.
    const isHeld = (): Promise<boolean> =>
      client.query('SELECT 1').then(
        () => !lost.aborted,
        () => false,
      )
    return whileHeld(`${purpose} ${name}`, lost, isHeld, work)
  })
}

async function lock(client: Client, name: string, purpose: string): Promise<void> {
  const taken = await client.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_lock($1, hashtext($2)) AS taken',
    [LOCK_SPACE, name],
  )
  if (taken.rows[0]?.taken !== true) throw await lockedBy(client, name, purpose)
  const holder = `${purpose} ${name}, process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`
  await client.query(
    'INSERT INTO proxmint_holders VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder',
    [name, holder],
  )
}

async function lockedBy(client: Client, name: string, purpose: string): Promise<ProxmintError> {
  const { rows } = await client.query<{ holder: string }>(
    'SELECT holder FROM proxmint_holders WHERE name = $1',
    [name],
  )
  return new ProxmintError(`${purpose} ${name}: another run works on this VM`, {
    facts: { holder: rows[0]?.holder ?? 'unknown' },
    hint: 'wait for it to end',
    exitCode: exitCodes.locked,
  })
}
