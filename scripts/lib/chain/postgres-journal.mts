import type { Client } from 'pg'
import { registryDatabase } from '../config/registry.mts'
import { type Database, openDatabase } from '../database/postgres.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { LockedWork } from '../run/lock.mts'
import { chainKey, type Journal, SIGNING_WAIT_MS, type StoredTransaction } from './journal.mts'
import type { Rpc } from './rpc.mts'

type State = 'pending' | 'settled'

/** First key of the advisory locks of signers; the registry's locks have another one. */
const LOCK_SPACE = 7_731
/** Code of PostgreSQL for a lock timeout. */
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Opens a journal in the registry's database, so that a run on another machine continues with the same transactions.
 * @param url of the registry: `postgresql://user@host/database`.
 * @throws ProxmintError if the database cannot be reached.
 */
export async function openPostgresJournal(url: string, rpc: Rpc): Promise<Journal> {
  const database = await openDatabase(registryDatabase(url))
  await ensureTable(database)
  return journalOn(database, await chainKey(rpc))
}

async function ensureTable(database: Database): Promise<void> {
  await database.transaction(async client => {
    await client.query('SELECT pg_advisory_xact_lock($1, 0)', [LOCK_SPACE])
    await client.query(`
      CREATE TABLE IF NOT EXISTS proxmint_transactions (
        chain text NOT NULL,
        key text NOT NULL,
        state text NOT NULL,
        transaction jsonb NOT NULL,
        PRIMARY KEY (chain, key)
      );
      CREATE TABLE IF NOT EXISTS proxmint_dropped_transactions (
        chain text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        transaction jsonb NOT NULL
      );
    `)
  })
}

function journalOn(database: Database, chain: string): Journal {
  const read = async (sql: string, values: unknown[]): Promise<StoredTransaction[]> => {
    const rows = await database.query<{ transaction: StoredTransaction }>(sql, values)
    return rows.map(({ transaction }) => transaction)
  }
  const write = async (transaction: StoredTransaction, state: State): Promise<void> => {
    await read(
      `INSERT INTO proxmint_transactions VALUES ($1, $2, $3, $4)
       ON CONFLICT (chain, key) DO UPDATE SET state = excluded.state, transaction = excluded.transaction`,
      [chain, transaction.key, state, transaction],
    )
  }
  return {
    get: async key =>
      (
        await read(
          `SELECT CASE state WHEN 'settled' THEN transaction || '{"settled": true}' ELSE transaction END AS transaction
           FROM proxmint_transactions WHERE chain = $1 AND key = $2`,
          [chain, key],
        )
      )[0],
    listPending: () =>
      read(
        `SELECT transaction FROM proxmint_transactions WHERE chain = $1 AND state = 'pending'
         ORDER BY (transaction->>'nonce')::bigint`,
        [chain],
      ),
    put: ({ settled: _, receipt: __, ...transaction }) => write(transaction, 'pending'),
    settle: ({ settled: _, ...transaction }) => write(transaction, 'settled'),
    drop: ({ key, nonce, settled }) =>
      database.transaction(async client => {
        const gone = `DELETE FROM proxmint_transactions WHERE chain = $1 AND key = $2
          AND (transaction->>'nonce')::bigint = $3 AND state = $4 RETURNING transaction`
        await client.query(
          `WITH gone AS (${gone})
           INSERT INTO proxmint_dropped_transactions (chain, transaction) SELECT $1, transaction FROM gone`,
          [chain, key, nonce, settled ? 'settled' : 'pending'],
        )
      }),
    whileSigning: (address, work) => whileSigning(database, `${chain} ${address}`, work),
  }
}

/** Runs `work` under an advisory lock, which ends with its connection: a run that dies frees it at once. */
async function whileSigning<T>(database: Database, subject: string, work: LockedWork<T>): Promise<T> {
  return database.withConnection(async (client, lost) => {
    await lock(database, client, subject)
    const isHeld = (): Promise<boolean> =>
      client.query('SELECT 1').then(
        () => !lost.aborted,
        () => false,
      )
    return work(lost, isHeld)
  })
}

async function lock(database: Database, client: Client, subject: string): Promise<void> {
  try {
    await client.query(`SET lock_timeout = ${SIGNING_WAIT_MS}`)
    await client.query('SELECT pg_advisory_lock($1, hashtext($2))', [LOCK_SPACE, subject])
  } catch (cause) {
    if ((cause as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw database.failed(cause)
    throw new ProxmintError('another run has been signing with the same key for too long', {
      hint: 'wait until it ends, then run the same command again',
      cause,
      exitCode: exitCodes.locked,
    })
  }
}
