/** Connections to a PostgreSQL database, and its failures in the words of whoever opens it. */
import type { Client, Pool, PoolClient, QueryResultRow } from 'pg'
import { codeOf, exitCodes, ProxmintError } from '../run/errors.mts'

const CONNECT_TIMEOUT_MS = 10_000
const MOST_CONNECTIONS = 4

/** A database as its user knows it. */
interface DatabasePlace {
  /** `postgresql://user@host/database`; the password comes from PGPASSWORD or ~/.pgpass. */
  url: string
  /** Begins every message: `the registry in PostgreSQL`. */
  name: string
  /** Names the setting of `url`: `` `url` in config/registry.yaml ``. */
  setting: string
}

export interface Database {
  /** @throws ProxmintError when the query fails. */
  query<Row extends QueryResultRow>(sql: string, values: unknown[]): Promise<Row[]>
  /**
   * Runs `work` in a transaction of its own, which is undone when it throws.
   * @throws ProxmintError when the database fails; errors of `work` itself pass unchanged.
   */
  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T>
  /**
   * Runs `work` on a connection of its own, for an advisory lock that lives as long as it: a run that dies gives it up
   * at once. From the pool, a few locks that are held long would leave no connection for the work under them. The
   * signal aborts when the connection breaks.
   */
  withConnection<T>(work: (client: Client, lost: AbortSignal) => Promise<T>): Promise<T>
  /** The error for a failure between this run and the database. */
  failed(cause: unknown): ProxmintError
  close(): Promise<void>
}

/** Opens a database; nothing is connected before the first query. Idle connections keep no process from ending. */
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
  // A connection that breaks between two queries is replaced by the next query, which reports it when it cannot be.
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
    // A connection that cannot even roll back is not given to the next.
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
  // With the connection the locks end too, but not at once: the next run that wants one would find it taken.
  await client.query('SELECT pg_advisory_unlock_all()').catch(() => undefined)
  await client.end().catch(() => undefined)
}

/** By the code of the system or of PostgreSQL: why, and the hint, in which SETTING is the place's own. */
const reasons: Record<string, [why: string, hint: string]> = {
  ECONNREFUSED: ['nothing listens there', 'start the database, or mend SETTING'],
  ENOENT: ['its socket is not there', 'start the database, or mend SETTING'],
  ENOTFOUND: ['its host name is unknown', 'mend SETTING'],
  '28P01': ['the password is wrong', 'set PGPASSWORD, or the line in ~/.pgpass'],
  '28000': ['the user may not log in', 'see pg_hba.conf of the database'],
  '3D000': ['there is no such database', 'createdb, or mend SETTING'],
  '42501': ['the user lacks a privilege', 'let it create tables in its schema'],
  '53100': ['its disk is full', 'free some space there'],
}

function databaseFailed({ name, setting }: DatabasePlace, cause: unknown): ProxmintError {
  const code = codeOf(cause) ?? ''
  const [why, hint] = reasons[code] ?? [
    String(cause),
    'what was acknowledged before is kept; run the command again',
  ]
  return new ProxmintError(`${name} cannot be used: ${why}`, {
    hint: hint.replace('SETTING', setting),
    cause,
    exitCode: ['28P01', '28000'].includes(code) ? exitCodes.denied : exitCodes.failed,
  })
}
