import type { PoolClient } from 'pg'
import type { Database } from '../../database/postgres.mts'
import { ProxmintError } from '../../run/errors.mts'

/** Any number, the same for every run: whoever holds it is the only one that hands out numbers. */
const lockId = 7_730_146_468

const formatVersion = 1

/** Waits until no other run hands out names, VMIDs or addresses; until the transaction ends. */
export async function lockRegistry(client: PoolClient): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock($1)', [lockId])
}

/** Makes the tables where they are not there. */
export async function ensureTables(database: Database): Promise<void> {
  await database.transaction(async client => {
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
      INSERT INTO proxmint_format SELECT ${formatVersion} WHERE NOT EXISTS (SELECT FROM proxmint_format);
    `)
    const { rows } = await client.query<{ version: number }>('SELECT version FROM proxmint_format')
    if (rows[0]?.version === formatVersion) return
    throw new ProxmintError(
      `the registry in PostgreSQL was written by a newer proxmint (version ${rows[0]?.version} of the format, not ${formatVersion})`,
      { hint: 'use that version; nothing was changed' },
    )
  })
}
