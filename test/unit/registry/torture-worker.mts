/**
 * One process of the torture: random operations on VMs of its own, each told on standard output before it is
 * tried and after it was acknowledged. Arguments: kind (file|postgres), place, prefix of the names, operations.
 */
import { writeSync } from 'node:fs'
import { advance } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { openPostgresStore } from '../../../scripts/lib/registry/postgres/postgres-store.mts'
import { changeEntry } from '../../change-entry.mts'
import { limits, now, pool, wanted } from './entries.mts'

const [kind, place, prefix, operations] = process.argv.slice(2) as [string, string, string, string]
const addresses = pool('10.9.0.0/16')
const mine: string[] = []

const store =
  kind === 'postgres'
    ? await openPostgresStore(place)
    : openFileStore({ folder: place, purpose: prefix, compactAfter: 40 })

async function tell(what: string, name: string, work: () => Promise<unknown>): Promise<void> {
  writeSync(1, `try ${what} ${name}\n`)
  await work()
  writeSync(1, `ack ${what} ${name}\n`)
}

for (let n = 0; n < Number(operations); n++) {
  const chosen = mine[Math.floor(Math.random() * mine.length)]
  const dice = Math.random()
  if (chosen === undefined || dice < 0.5) {
    const name = `${prefix}-${n}`
    await tell('create', name, () =>
      store.reserve([wanted(name, { pool: addresses })], limits({ vmidRange: [100, 50_000] })),
    )
    mine.push(name)
  } else if (dice < 0.8) {
    await tell('change', chosen, () => changeEntry(store, chosen, one => advance(one, 'active', now)))
  } else {
    mine.splice(mine.indexOf(chosen), 1)
    await tell('destroy', chosen, () => changeEntry(store, chosen, one => advance(one, 'destroyed', now)))
  }
}
await store.close()
