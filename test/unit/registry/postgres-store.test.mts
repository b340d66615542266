import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registryDatabase } from '../../../scripts/lib/config/registry.mts'
import { openDatabase } from '../../../scripts/lib/database/postgres.mts'
import { openPostgresStore } from '../../../scripts/lib/registry/postgres/postgres-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { interrupted } from '../../../scripts/lib/run/errors.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import { describeStore } from './conformance.mts'
import { limits, pool, wanted } from './entries.mts'
import { type Database, startPostgres } from './postgres.mts'

let database: Database
let count = 0

beforeAll(async () => {
  database = await startPostgres()
}, 120_000)
afterAll(() => database?.stop(), 60_000)

describeStore('postgres', async () => {
  const url = await database.url(`registry_${count++}`)
  return { open: () => openPostgresStore(url), remove: async () => {} }
})

describe('a connection that breaks, as all do when the database is restarted', () => {
  /** Ends every other connection to the database, and waits until they are gone. */
  const breakOthers = async (url: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(
      `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
    await client.end()
  }

  test('work whose lock is lost is told to stop, and says so; the store goes on', async () => {
    const url = await database.url('broken_lock')
    const store = await openPostgresStore(url)
    await store.reserve([wanted('web-1')], limits())
    const failure = await failureOf(() =>
      store.exclusively('web-1', 'apply', async lost => {
        const told = once(lost, 'abort')
        await breakOthers(url)
        await told
        throw interrupted('apply web-1')
      }),
    )
    expect(failure).toMatchObject({
      message: 'apply web-1: its lock was lost, and it was stopped',
      facts: {
        'stopped at': 'interrupted: apply web-1',
        why: 'terminating connection due to administrator command',
      },
      exitCode: 5,
    })
    expect(await store.exclusively('web-1', 'apply', () => store.find('web-1'))).toMatchObject({ vmid: 100 })
    await store.close()
  })

  test('between two queries of a transaction, the next tells of it', async () => {
    const url = await database.url('broken_transaction')
    const opened = await openDatabase(registryDatabase(url))
    const failure = await failureOf(() =>
      opened.transaction(async client => {
        // Not `once`, which the error before it would end.
        const ended = new Promise<void>(resolve => client.on('end', () => resolve()))
        await breakOthers(url)
        await ended
        await client.query('SELECT 1')
      }),
    )
    expect(failure.message).toMatch(/^the registry in PostgreSQL cannot be used: .*connection/)
    await opened.close()
  })
})

describe('a registry that is gone is not an empty one', () => {
  const run = async (url: string, sql: string): Promise<object[]> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query(sql)
    await client.end()
    return rows
  }

  test('tables that were dropped', async () => {
    const url = await database.url('dropped')
    const known = join(await temporaryFolder(), 'state/registry.database')
    for (const name of ['web-1', 'web-2']) {
      await using store = disposable(await openPostgresStore(url, known))
      await store.reserve([wanted(name)], limits())
    }
    await run(url, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    for (const _ of [1, 2]) {
      expect(await failureOf(() => openPostgresStore(url, known))).toMatchObject({
        message: 'the registry in PostgreSQL is gone: dropped on localhost has another one now',
        hint: expect.stringContaining(`rm ${known}`),
        exitCode: 1,
      })
    }
  })

  test('a registry of an older proxmint keeps its entries, and gets an id', async () => {
    const url = await database.url('older')
    await using before = disposable(await openPostgresStore(url))
    await before.reserve([wanted('web-1')], limits())
    await run(url, 'DROP TABLE proxmint_registry')
    const known = join(await temporaryFolder(), 'registry.database')
    await using store = disposable(await openPostgresStore(url, known))
    expect(await store.list()).toMatchObject([{ name: 'web-1' }])
    expect(await readFile(known, 'utf8')).toMatch(/"id":"[0-9a-f-]{36}"/)
  })

  test('an older proxmint can read the registry until a VM has a further address', async () => {
    const url = await database.url('formats')
    await using store = disposable(await openPostgresStore(url))
    const format = async () => (await run(url, 'SELECT version FROM proxmint_format'))[0]
    await store.reserve([wanted('web-1')], limits())
    expect(await format()).toEqual({ version: 1 })
    const six = { ...pool('2001:db8::1-2001:db8::9'), name: 'six' }
    const further = [{ card: 0, pool: six, address: undefined, routed: true }]
    await store.reserve([wanted('web-2', { further })], limits())
    expect(await format()).toEqual({ version: 2 })
    await using again = disposable(await openPostgresStore(url))
    expect((await again.find('web-2'))!.addresses).toMatchObject([{ address: '2001:db8::1' }])
  })

  test('a state folder that cannot be written keeps nobody from the registry', async () => {
    const url = await database.url('unwritable')
    await using store = disposable(await openPostgresStore(url, '/proc/registry.database'))
    expect(await store.list()).toEqual([])
  })

  test('another database is another registry', async () => {
    const known = join(await temporaryFolder(), 'registry.database')
    for (const name of ['here', 'there']) {
      await using store = disposable(await openPostgresStore(await database.url(name), known))
      expect(await store.list()).toEqual([])
    }
  })
})

function disposable(store: RegistryStore): RegistryStore & AsyncDisposable {
  return { ...store, [Symbol.asyncDispose]: () => store.close() }
}

describe('a database that cannot be used', () => {
  test('nothing listens', async () => {
    expect(await failureOf(() => openPostgresStore('postgresql://proxmint@127.0.0.1:1/none'))).toMatchObject({
      message: 'the registry in PostgreSQL cannot be used: nothing listens there',
      exitCode: 1,
    })
  })
  test('there is no such database', async () => {
    const url = (await database.url('one')).replace('/one', '/other')
    expect(await failureOf(() => openPostgresStore(url))).toMatchObject({
      message: 'the registry in PostgreSQL cannot be used: there is no such database',
    })
  })
})
