import type { Client } from 'pg'
import { registryDatabase } from '../config/registry.mts'
import { type Database, openDatabase } from '../database/postgres.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type LockedWork, whileHeld } from '../run/lock.mts'
import { chainKey, type Journal, SIGNING, SIGNING_WAIT_MS, type StoredTransaction } from './journal.mts'
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
  const write = async (
    transaction: StoredTransaction,
    state: State,
    before: StoredTransaction | undefined,
  ): Promise<boolean> => {
    const values = [chain, transaction.key, state, transaction]
    const rows = await (before === undefined
      ? read(
          `INSERT INTO proxmint_transactions VALUES ($1, $2, $3, $4)
           ON CONFLICT (chain, key) DO NOTHING RETURNING transaction`,
          values,
        )
      : read(
          `UPDATE proxmint_transactions SET state = $3, transaction = $4
           WHERE chain = $1 AND key = $2 AND state = $5 AND transaction = $6::jsonb RETURNING transaction`,
          [...values, ...asStored(before)],
        ))
    return rows.length > 0
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
    put: ({ settled: _, receipt: __, ...transaction }, before) => write(transaction, 'pending', before),
    settle: ({ settled: _, ...transaction }, before) => write(transaction, 'settled', before),
    drop: async before => {
      const gone = `DELETE FROM proxmint_transactions WHERE chain = $1 AND key = $2
        AND state = $3 AND transaction = $4::jsonb RETURNING transaction`
      const dropped = await read(
        `WITH gone AS (${gone})
         INSERT INTO proxmint_dropped_transactions (chain, transaction) SELECT $1, transaction FROM gone
         RETURNING transaction`,
        [chain, before.key, ...asStored(before)],
      )
      return dropped.length > 0
    },
    whileSigning: (address, work) => whileSigning(database, `${chain} ${address}`, work),
  }
}

/** State and transaction as the table has them. */
function asStored({
  settled,
  ...transaction
}: StoredTransaction): [State, Omit<StoredTransaction, 'settled'>] {
  return [settled ? 'settled' : 'pending', transaction]
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
    return whileHeld(SIGNING, lost, isHeld, work)
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
