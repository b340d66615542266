import type { Client, Pool, PoolClient } from 'pg'
import { codeOf, exitCodes, ProxmintError } from './errors.mts'

const connectTimeoutMs = 10_000

/** Connections to a database; idle ones keep no process from ending. */
export async function openPool(url: string): Promise<Pool> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: connectTimeoutMs,
    allowExitOnIdle: true,
  })
  // One that breaks between two queries is replaced by the next, which tells when it cannot be.
  pool.on('error', () => undefined)
  pool.on('connect', client => client.on('error', () => undefined))
  return pool
}

/** Runs `work` in a transaction of its own, which is undone when it throws. */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch(cause => {
    throw databaseFailed(cause)
  })
  let broken: Error | undefined
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(cause => {
      broken = cause
    })
    const isOurs = error instanceof ProxmintError || (codeOf(error) === undefined && broken === undefined)
    throw isOurs ? error : databaseFailed(error)
  } finally {
    // A connection that cannot even roll back is not given to the next.
    client.release(broken)
  }
}

/**
 * Runs `work` on a connection of its own, for an advisory lock that lives as long as it: a run that dies gives it up at
 * once. From the pool, a few locks that are held long would leave no connection for what is done under them. The signal
 * aborts when the connection breaks.
 */
export async function withConnection<T>(
  url: string,
  work: (client: Client, lost: AbortSignal) => Promise<T>,
): Promise<T> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs })
  const lost = new AbortController()
  client.on('error', error => lost.abort(error))
  await client.connect().catch(cause => {
    throw databaseFailed(cause)
  })
  try {
    return await work(client, lost.signal)
  } finally {
    // With the connection the locks end too, but not at once: the next who wants one would find it taken.
    await client.query('SELECT pg_advisory_unlock_all()').catch(() => undefined)
    await client.end().catch(() => undefined)
  }
}

const reasons: Record<string, [why: string, hint: string]> = {
  ECONNREFUSED: ['nothing listens there', 'start the database, or mend `url` in config/registry.yaml'],
  ENOENT: ['its socket is not there', 'start the database, or mend `url` in config/registry.yaml'],
  ENOTFOUND: ['its host name is unknown', 'mend `url` in config/registry.yaml'],
  '28P01': ['the password is wrong', 'set PGPASSWORD, or the line in ~/.pgpass'],
  '28000': ['the user may not log in', 'see pg_hba.conf of the database'],
  '3D000': ['there is no such database', 'createdb, or mend `url` in config/registry.yaml'],
  '42501': ['the user lacks a privilege', 'let it create tables in its schema'],
  '53100': ['its disk is full', 'free some space there'],
}

/** What went wrong between this run and the database, in words that say what to do. */
export function databaseFailed(cause: unknown): ProxmintError {
  const [why, hint] = reasons[codeOf(cause) ?? ''] ?? [String(cause), undefined]
  const denied = ['28P01', '28000'].includes(codeOf(cause) ?? '')
  return new ProxmintError(`the registry in PostgreSQL cannot be used: ${why}`, {
    hint: hint ?? 'what was acknowledged before is kept; run the command again',
    cause,
    exitCode: denied ? exitCodes.denied : exitCodes.failed,
  })
}
