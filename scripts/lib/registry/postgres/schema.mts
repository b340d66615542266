import { randomUUID } from 'node:crypto'
import type { PoolClient } from 'pg'
import type { Database } from '../../database/postgres.mts'
import { ProxmintError } from '../../run/errors.mts'

/** Key of an advisory lock, the same for every run: only its holder reserves VMs. */
const LOCK_ID = 7_730_146_468

const FORMAT_VERSION = 1

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
      CREATE TABLE IF NOT EXISTS proxmint_archive (id bigserial PRIMARY KEY, entry jsonb NOT NULL);
      CREATE TABLE IF NOT EXISTS proxmint_holders (name text PRIMARY KEY, holder text NOT NULL);
      CREATE TABLE IF NOT EXISTS proxmint_cursors (key text PRIMARY KEY, value text NOT NULL);
      CREATE TABLE IF NOT EXISTS proxmint_registry (id text PRIMARY KEY);
      INSERT INTO proxmint_format SELECT ${FORMAT_VERSION} WHERE NOT EXISTS (SELECT FROM proxmint_format);
    `)
    const { rows } = await client.query<{ version: number }>('SELECT version FROM proxmint_format')
    if (rows[0]?.version === FORMAT_VERSION) return registryId(client)
    throw new ProxmintError(
      `the registry in PostgreSQL was written by a newer proxmint (version ${rows[0]?.version} of the format, not ${FORMAT_VERSION})`,
      { hint: 'use that version; nothing was changed' },
    )
  })
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
