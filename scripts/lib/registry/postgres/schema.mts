import { randomUUID } from 'node:crypto'
import type { PoolClient } from 'pg'
import type { Database } from '../../database/postgres.mts'
import { ProxmintError } from '../../run/errors.mts'
import type { Entry } from '../entry.mts'

/** Key of an advisory lock, the same for every run: only its holder reserves VMs. */
const LOCK_ID = 7_730_146_468

/** The format of a registry in which no VM has a further address. */
const FIRST_FORMAT = 1
/** With further addresses. A proxmint that does not know them would give them out again, so it must not read these. */
const FORMAT_VERSION = 2

/** Locks names, VMIDs and addresses until the transaction ends. Waits if another run holds the lock. */
export async function lockRegistry(client: PoolClient): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_ID])
}

/** Creates missing tables. @returns the random id of the registry in them. @throws ProxmintError if a newer proxmint wrote them. */
export async function ensureTables(database: Database): Promise<string> {
  return database.transaction(async client => {
    await lockRegistry(client)
    await client.query(`
      CREATE TABLE IF NOT EXISTS proxmint_format (version integer NOT NULL);
      CREATE TABLE IF NOT EXISTS proxmint_entries (
        name text PRIMARY KEY,
        vmid integer NOT NULL UNIQUE,
        address inet NOT NULL UNIQUE,
        entry jsonb NOT NULL
      );
      CREATE TABLE IF NOT EXISTS proxmint_addresses (
        address inet PRIMARY KEY,
        name text NOT NULL REFERENCES proxmint_entries ON DELETE CASCADE,
        written text NOT NULL
      );
      CREATE TABLE IF NOT EXISTS proxmint_archive (id bigserial PRIMARY KEY, entry jsonb NOT NULL);
      CREATE TABLE IF NOT EXISTS proxmint_holders (name text PRIMARY KEY, holder text NOT NULL);
      CREATE TABLE IF NOT EXISTS proxmint_cursors (key text PRIMARY KEY, value text NOT NULL);
      CREATE TABLE IF NOT EXISTS proxmint_registry (id text PRIMARY KEY);
      INSERT INTO proxmint_format SELECT ${FIRST_FORMAT} WHERE NOT EXISTS (SELECT FROM proxmint_format);
    `)
    const { rows } = await client.query<{ version: number }>('SELECT version FROM proxmint_format')
    const version = rows[0]?.version ?? 0
    if (version >= FIRST_FORMAT && version <= FORMAT_VERSION) return registryId(client)
    throw new ProxmintError(
      `the registry in PostgreSQL was written by a newer proxmint (version ${version} of the format, not ${FORMAT_VERSION})`,
      { hint: 'use that version; nothing was changed' },
    )
  })
}

/** Adds the further addresses of entries to their table. The registry has the newer format then. */
export async function noteFurther(client: PoolClient, entries: readonly Entry[]): Promise<void> {
  const rows = entries.flatMap(({ name, addresses = [] }) =>
    addresses.map(({ address }) => ({ name, address })),
  )
  if (rows.length === 0) return
  await client.query('UPDATE proxmint_format SET version = $1 WHERE version < $1', [FORMAT_VERSION])
  await client.query(
    `INSERT INTO proxmint_addresses
     SELECT (one->>'address')::inet, one->>'name', one->>'address' FROM jsonb_array_elements($1::jsonb) AS one`,
    [JSON.stringify(rows)],
  )
}

async function registryId(client: PoolClient): Promise<string> {
  const id = randomUUID()
  await client.query(
    'INSERT INTO proxmint_registry SELECT $1 WHERE NOT EXISTS (SELECT FROM proxmint_registry)',
    [id],
  )
  const { rows } = await client.query<{ id: string }>('SELECT id FROM proxmint_registry')
  return rows[0]!.id
}
