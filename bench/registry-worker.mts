/** Creates VMs in a registry for some seconds from the word `go`, then prints how many. Part of registry.mts. */
import { once } from 'node:events'
import { openFileStore } from '../scripts/lib/registry/file/file-store.mts'
import { openPostgresStore } from '../scripts/lib/registry/postgres/postgres-store.mts'
import { limits, pool, wanted } from '../test/unit/registry/entries.mts'

const [kind, place, prefix, seconds] = process.argv.slice(2) as [string, string, string, string]
const addresses = pool('10.0.0.0/8')
const store =
  kind === 'postgres' ? await openPostgresStore(place) : openFileStore({ folder: place, purpose: 'bench' })

await store.find(prefix)
process.stdout.write('ready\n')
await once(process.stdin, 'data')

const end = performance.now() + Number(seconds) * 1000
let count = 0
while (performance.now() < end) {
  const one = wanted(`${prefix}-${count}`, { pool: addresses })
  await store.reserve([one], limits({ vmidRange: [100, 999_999_999] }))
  count++
}
await store.close()
process.stdout.write(`${count}\n`)
process.exit()
