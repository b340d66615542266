import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgresStore } from '../../../scripts/lib/registry/postgres/postgres-store.mts'
import { failureOf } from '../failure.mts'
import { describeStore } from './conformance.mts'
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
