/**
 * One process of the torture: random operations on VMs of its own, and on some that all processes share, each told on
 * standard output before it is tried and after it was acknowledged. Arguments: kind (file|postgres), place, prefix of the
 * names, operations.
 */
import { writeSync } from 'node:fs'
import { advance, withEvent } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { openPostgresStore } from '../../../scripts/lib/registry/postgres/postgres-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { ProxmintError } from '../../../scripts/lib/run/errors.mts'
import { changeEntry } from '../../change-entry.mts'
import { limits, now, pool, wanted } from './entries.mts'

const [kind, place, prefix, operations] = process.argv.slice(2) as [string, string, string, string]
const addresses = pool('10.9.0.0/16')
const mine: string[] = []

/** The connection may be ended while the store is opened. */
async function openDatabase(): Promise<RegistryStore> {
  return openPostgresStore(place).catch(openDatabase)
}

const store =
  kind === 'postgres'
    ? await openDatabase()
    : openFileStore({ folder: place, purpose: prefix, compactAfter: 40 })

/** @returns whether it was acknowledged: the lock can be lost, and the database ends connections. */
async function tell(what: string, name: string, work: () => Promise<unknown>): Promise<boolean> {
  writeSync(1, `try ${what} ${name}\n`)
  try {
    await work()
  } catch (error) {
    if (!(error instanceof ProxmintError)) throw error
    writeSync(1, `lost ${what} ${name}: ${error.message.split('\n')[0]}\n`)
    return false
  }
  writeSync(1, `ack ${what} ${name}\n`)
  return true
}

async function reserve(name: string) {
  const [entry] = await store.reserve(
    [wanted(name, { pool: addresses })],
    limits({ vmidRange: [100, 50_000] }),
  )
  return entry!
}

/** Adds a note to the history of a shared VM under its lock, makes it if necessary, and destroys it now and then. */
async function noteShared(name: string, note: string, isLast: boolean): Promise<void> {
  await store.exclusively(name, prefix, async () => {
    const read = (await store.find(name)) ?? (await reserve(name))
    const noted = await store.change(read, one => withEvent(one, note, now))
    if (isLast) await store.change(noted, one => advance(one, 'destroyed', now))
  })
}

for (let n = 0; n < Number(operations); n++) {
  const chosen = mine[Math.floor(Math.random() * mine.length)]
  const dice = Math.random()
  if (dice < 0.3) {
    const note = `${prefix}-${n}`
    await tell('note', note, () => noteShared(`shared-${n % 3}`, note, dice < 0.05))
  } else if (chosen === undefined || dice < 0.6) {
    const name = `${prefix}-${n}`
    if (await tell('create', name, () => reserve(name))) mine.push(name)
  } else if (dice < 0.85) {
    await tell('change', chosen, () => changeEntry(store, chosen, one => advance(one, 'active', now)))
  } else {
    mine.splice(mine.indexOf(chosen), 1)
    await tell('destroy', chosen, () => changeEntry(store, chosen, one => advance(one, 'destroyed', now)))
  }
}
await store.close()
