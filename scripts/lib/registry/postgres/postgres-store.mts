import type { PoolClient } from 'pg'
import { formatAddress } from '../../config/addresses.mts'
import { registryDatabase } from '../../config/registry.mts'
import { type Database, openDatabase } from '../../database/postgres.mts'
import { allocate, type Cursors, type Held, pickVmid, renumbered, withFurther } from '../allocate.mts'
import { conflictsOf } from '../check.mts'
import { type Entry, neverMade, requireVmName } from '../entry.mts'
import { conflicting, noteOwn, type OwnRevisions, revised } from '../revise.mts'
import type { Limits, RegistryStore, WantedAddress } from '../store.mts'
import { exclusively } from './exclusively.mts'
import { requireKnownRegistry } from './known-registry.mts'
import { ensureTables, lockRegistry, noteFurther } from './schema.mts'

/**
 * Opens the registry in a PostgreSQL database, for several people and machines. Constraints of the database keep names,
 * VMIDs and addresses unique.
 * @param url `postgresql://user@host/database`; the password comes from PGPASSWORD or ~/.pgpass.
 * @param known file of this machine in which it keeps which registry it used last; undefined: it is not compared.
 * @throws ProxmintError if the database cannot be reached, has another registry than before, or a newer proxmint wrote
 *   its registry.
 */
export async function openPostgresStore(url: string, known?: string): Promise<RegistryStore> {
  const database = await openDatabase(registryDatabase(url))
  try {
    const id = await ensureTables(database)
    if (known !== undefined) await requireKnownRegistry(known, { database: describe(url), id })
  } catch (error) {
    await database.close()
    throw error
  }
  return storeOn(database, url)
}

function storeOn(database: Database, url: string): RegistryStore {
  const own: OwnRevisions = new Map()
  return {
    description: `the registry in PostgreSQL, ${describe(url)}`,
    list: () => select(database, 'SELECT entry FROM proxmint_entries ORDER BY name COLLATE "C"', []),
    find: async name =>
      (await select(database, 'SELECT entry FROM proxmint_entries WHERE name = $1', [name]))[0],
    reserve: (wanted, limits) =>
      database.transaction(async client => {
        await lockRegistry(client)
        const cursors = await readCursors(client)
        const entries = await allocate(wanted, limits, heldIn(client), cursors)
        await insert(client, entries)
        await writeCursors(client, cursors)
        return entries
      }),
    preview: (wanted, limits) =>
      database.transaction(async client =>
        allocate(wanted, limits, heldIn(client), await readCursors(client)),
      ),
    change: async (read, revise) => {
      const entry = await database.transaction(client => change(client, read, own, revise))
      noteOwn(own, entry)
      return entry
    },
    reserveFurther: async (read, wanted, limits, revise) => {
      const entry = await database.transaction(client =>
        reserveFurther(client, { read, own, revise }, wanted, limits),
      )
      noteOwn(own, entry)
      return entry
    },
    previewFurther: (read, wanted, limits) =>
      database.transaction(async client =>
        withFurther(read, wanted, limits, heldIn(client), await readCursors(client)),
      ),
    renumber: (read, limits) =>
      database.transaction(async client => {
        const { ended, begun } = await renumber(client, read, own, limits)
        for (const entry of [ended, begun]) noteOwn(own, entry)
        return begun
      }),
    reserveSpare: async (read, limits, revise) => {
      const entry = await database.transaction(async client => {
        await lockRegistry(client)
        const cursors = await readCursors(client)
        const vmid = await pickVmid(limits, heldIn(client), cursors)
        const changed = await change(client, read, own, one => revise(one, vmid))
        await writeCursors(client, cursors)
        return changed
      })
      noteOwn(own, entry)
      return entry
    },
    listArchived: () => select(database, 'SELECT entry FROM proxmint_archive ORDER BY id', []),
    add: (entries, archived) =>
      database.transaction(async client => {
        await lockRegistry(client)
        const living = await client.query<{ entry: Entry }>('SELECT entry FROM proxmint_entries')
        const conflicts = conflictsOf(
          living.rows.map(({ entry }) => entry),
          entries,
        )
        if (conflicts.length > 0) throw conflicting(conflicts)
        await insert(client, entries)
        await archive(client, archived)
      }),
    exclusively: (name, purpose, work) => exclusively(database, name, purpose, work),
    close: () => database.close(),
  }
}

async function change(
  client: PoolClient,
  read: Entry,
  own: OwnRevisions,
  revise: (entry: Entry) => Entry,
): Promise<Entry> {
  const { name } = read
  const changed = revised(read, await lockEntry(client, name), own, revise)
  if (changed.phase === 'destroyed') {
    await client.query('DELETE FROM proxmint_entries WHERE name = $1', [name])
    await archive(client, [changed])
  } else {
    await client.query('UPDATE proxmint_entries SET entry = $2 WHERE name = $1', [name, changed])
    await client.query('DELETE FROM proxmint_addresses WHERE name = $1 AND written <> ALL ($2)', [
      ...[name, (changed.addresses ?? []).map(({ address }) => address)],
    ])
  }
  return changed
}

interface Revision {
  read: Entry
  own: OwnRevisions
  revise: (entry: Entry) => Entry
}

async function reserveFurther(
  client: PoolClient,
  { read, own, revise }: Revision,
  wanted: readonly WantedAddress[],
  limits: Pick<Limits, 'unknown'>,
): Promise<Entry> {
  await lockRegistry(client)
  const cursors = await readCursors(client)
  const current = await lockEntry(client, read.name)
  const grown = current && (await withFurther(current, wanted, limits, heldIn(client), cursors))
  const changed = revised(read, grown, own, revise)
  await client.query('UPDATE proxmint_entries SET entry = $2 WHERE name = $1', [read.name, changed])
  await client.query('DELETE FROM proxmint_addresses WHERE name = $1', [read.name])
  await noteFurther(client, [changed])
  await writeCursors(client, cursors)
  return changed
}

/** Reads an entry, which no other transaction changes until this one ends. */
async function lockEntry(client: PoolClient, name: string): Promise<Entry | undefined> {
  const { rows } = await client.query<{ entry: Entry }>(
    'SELECT entry FROM proxmint_entries WHERE name = $1 FOR UPDATE',
    [name],
  )
  return rows[0]?.entry
}

async function renumber(
  client: PoolClient,
  read: Entry,
  own: OwnRevisions,
  limits: Limits,
): Promise<{ ended: Entry; begun: Entry }> {
  await lockRegistry(client)
  const cursors = await readCursors(client)
  const living = await lockEntry(client, read.name)
  const ended = revised(read, living, own, one => neverMade(one, limits.now))
  const begun = await renumbered(living!, limits, heldIn(client), cursors)
  await client.query('UPDATE proxmint_entries SET vmid = $2, entry = $3 WHERE name = $1', [
    ...[read.name, begun.vmid, begun],
  ])
  await archive(client, [ended])
  await writeCursors(client, cursors)
  return { ended, begun }
}

async function select(database: Database, sql: string, values: unknown[]): Promise<Entry[]> {
  const rows = await database.query<{ entry: Entry }>(sql, values)
  for (const { entry } of rows) requireVmName(entry)
  return rows.map(({ entry }) => entry)
}

async function insert(client: PoolClient, entries: Entry[]): Promise<void> {
  await client.query(
    `INSERT INTO proxmint_entries
     SELECT one->>'name', (one->>'vmid')::integer, (one->>'address')::inet, one
     FROM jsonb_array_elements($1::jsonb) AS one`,
    [JSON.stringify(entries)],
  )
  await noteFurther(client, entries)
}

async function archive(client: PoolClient, entries: Entry[]): Promise<void> {
  await client.query(
    'INSERT INTO proxmint_archive (entry) SELECT one FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS list(one, place) ORDER BY place',
    [JSON.stringify(entries)],
  )
}

/** VMID of the spare VM of an entry; NULL without one. */
const SPARE = "(entry->'rebuild'->>'spareVmid')::integer"

/** Looks up names, VMIDs and addresses of the living entries in a transaction. */
function heldIn(client: PoolClient): Held {
  const nameWhere = async (condition: string, value: unknown): Promise<string | undefined> => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT name FROM proxmint_entries WHERE ${condition}`,
      [value],
    )
    return rows[0]?.name
  }
  return {
    hasName: async name => (await nameWhere('name = $1', name)) !== undefined,
    entries: async () => {
      const { rows } = await client.query<{ entry: Entry }>('SELECT entry FROM proxmint_entries')
      return rows.map(({ entry }) => entry)
    },
    ownerOfVmid: vmid => nameWhere(`vmid = $1 OR ${SPARE} = $1`, vmid),
    ownerOfAddress: async address => {
      const { rows } = await client.query<{ name: string }>(
        `SELECT name FROM proxmint_entries WHERE address = $1::inet
         UNION ALL SELECT name FROM proxmint_addresses WHERE address = $1::inet`,
        [address],
      )
      return rows[0]?.name
    },
    vmidsBetween: async (first, last) => {
      const { rows } = await client.query<{ vmid: number }>(
        `SELECT vmid FROM proxmint_entries WHERE vmid BETWEEN $1 AND $2
         UNION ALL SELECT ${SPARE} FROM proxmint_entries WHERE ${SPARE} BETWEEN $1 AND $2`,
        [first, last],
      )
      const taken = new Set(rows.map(({ vmid }) => vmid))
      return vmid => taken.has(vmid)
    },
    addressesBetween: async (first, last) => {
      const { rows } = await client.query<{ address: string }>(
        `SELECT entry->>'address' AS address FROM proxmint_entries WHERE address BETWEEN $1::inet AND $2::inet
         UNION ALL SELECT written FROM proxmint_addresses WHERE address BETWEEN $1::inet AND $2::inet`,
        [formatAddress(first), formatAddress(last)],
      )
      const taken = new Set(rows.map(({ address }) => address))
      return address => taken.has(address)
    },
  }
}

async function readCursors(client: PoolClient): Promise<Cursors> {
  const { rows } = await client.query<{ key: string; value: string }>(
    'SELECT key, value FROM proxmint_cursors',
  )
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
}

async function writeCursors(client: PoolClient, cursors: Cursors): Promise<void> {
  await client.query(
    `INSERT INTO proxmint_cursors SELECT * FROM unnest($1::text[], $2::text[])
     ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    [Object.keys(cursors), Object.values(cursors)],
  )
}

/** Name of the database for people, without the URL's password. */
function describe(url: string): string {
  const { host, pathname } = new URL(url)
  return `${pathname.slice(1)} on ${host === '' ? 'this machine' : host}`
}
