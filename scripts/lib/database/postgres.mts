/** Connections to a PostgreSQL database. Its errors use the caller's name for the database. */
import type { Client, Pool, PoolClient, QueryResultRow } from 'pg'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'

const CONNECT_TIMEOUT_MS = 10_000
const MOST_CONNECTIONS = 4

/** Database with its names for people. */
interface DatabasePlace {
  /** `postgresql://user@host/database`; the password comes from PGPASSWORD or ~/.pgpass. */
  url: string
  /** Name at the start of every message: `the registry in PostgreSQL`. */
  name: string
  /** Name of the setting that holds the URL: `` `url` in config/registry.yaml ``. */
  setting: string
}

export interface Database {
  /** @throws ProxmintError when the query fails. */
  query<Row extends QueryResultRow>(sql: string, values: unknown[]): Promise<Row[]>
  /**
   * Runs `work` in a transaction of its own, which is rolled back if `work` throws.
   * @throws ProxmintError if the database fails; errors of `work` itself pass unchanged.
   */
  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T>
  /**
   * Runs `work` on a connection of its own, for an advisory lock that ends with it: a run that dies frees the lock at
   * once. The connection is not from the pool: a few long locks would leave no connection for the work under them.
   * The signal aborts when the connection breaks.
   * @throws ProxmintError if the connection fails; errors of `work` pass unchanged.
   */
  withConnection<T>(work: (client: Client, lost: AbortSignal) => Promise<T>): Promise<T>
  /** Makes the error for a failure of the database. */
  failed(cause: unknown): ProxmintError
  close(): Promise<void>
}

/** Opens a database. The first query connects. The process can end while connections are idle. */
export async function openDatabase(place: DatabasePlace): Promise<Database> {
  const pool = await openPool(place.url)
  const failed = (cause: unknown): ProxmintError => databaseFailed(place, cause)
  const orFail = (cause: unknown): never => {
    throw failed(cause)
  }
  return {
    query: async <Row extends QueryResultRow>(sql: string, values: unknown[]) =>
      (await pool.query<Row>(sql, values).catch(orFail)).rows,
    transaction: async work => inTransaction(await pool.connect().catch(orFail), work, failed),
    async withConnection(work) {
      const { client, lost } = await ownConnection(place.url).catch(orFail)
      try {
        return await work(client, lost)
      } finally {
        await closeConnection(client)
      }
    },
    failed,
    close: () => pool.end(),
  }
}

async function openPool(url: string): Promise<Pool> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    connectionString: url,
    max: MOST_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    allowExitOnIdle: true,
  })
  // If a connection breaks between two queries, the next query opens a new one and reports a failure.
  pool.on('error', () => undefined)
  pool.on('connect', client => client.on('error', () => undefined))
  return pool
}

async function inTransaction<T>(
  client: PoolClient,
  work: (client: PoolClient) => Promise<T>,
  failed: Database['failed'],
): Promise<T> {
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
    throw isOurs ? error : failed(error)
  } finally {
    // A connection whose rollback failed does not go back to the pool.
    client.release(broken)
  }
}

async function ownConnection(url: string): Promise<{ client: Client; lost: AbortSignal }> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  const lost = new AbortController()
  client.on('error', error => lost.abort(error))
  await client.connect()
  return { client, lost: lost.signal }
}

async function closeConnection(client: Client): Promise<void> {
  // The end of the connection frees its locks too, but later: the next run could still find one taken.
  await client.query('SELECT pg_advisory_unlock_all()').catch(() => undefined)
  await client.end().catch(() => undefined)
}

/** Reason and hint by code of the system or of PostgreSQL. SETTING stands for the name of the setting. */
const REASONS: Record<string, [why: string, hint: string]> = {
  ECONNREFUSED: ['nothing listens there', 'start the database, or correct SETTING'],
  ENOENT: ['its socket is not there', 'start the database, or correct SETTING'],
  ENOTFOUND: ['its host name is unknown', 'correct SETTING'],
  '28P01': ['the password is wrong', 'set PGPASSWORD, or the line in ~/.pgpass'],
  '28000': ['the user may not log in', 'see pg_hba.conf of the database'],
  '3D000': ['there is no such database', 'createdb, or correct SETTING'],
  '42501': ['the user lacks a privilege', 'let it create tables in its schema'],
  '53100': ['its disk is full', 'free some space there'],
}

function databaseFailed({ name, setting }: DatabasePlace, cause: unknown): ProxmintError {
  const code = codeOf(cause) ?? ''
  const [why, hint] = REASONS[code] ?? [
    String(cause),
    'what was acknowledged before is kept; run the command again',
  ]
  return new ProxmintError(`${name} cannot be used: ${why}`, {
    hint: hint.replace('SETTING', setting),
    cause,
    exitCode: ['28P01', '28000'].includes(code) ? exitCodes.denied : exitCodes.failed,
  })
}
