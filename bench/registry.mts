/**
 * Creates a second in both stores of the registry, with 1, 8 and 32 processes, at 100, 1,000 and 10,000 entries;
 * beside a bare loop that appends an entry and syncs it, and one that rewrites the whole JSON each time.
 * Run: `node bench/registry.mts [SECONDS]`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Entry } from '../scripts/lib/registry/entry.mts'
import { openFileStore } from '../scripts/lib/registry/file/file-store.mts'
import { openPostgresStore } from '../scripts/lib/registry/postgres/postgres-store.mts'
import { entry } from '../test/unit/registry/entries.mts'
import { startPostgres } from '../test/unit/registry/postgres.mts'
import { type Figure, printFigures } from './figures.mts'

const seconds = Number(process.argv[2] ?? 3)
const worker = join(import.meta.dirname, 'registry-worker.mts')
const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
const database = await startPostgres({ fsync: 'on' })

function filler(count: number): Entry[] {
  return Array.from({ length: count }, (_, n) =>
    entry(`old-${n}`, { vmid: 1_000_000 + n, address: `172.16.${n >> 8}.${n & 255}` }),
  )
}

async function perSecond(work: (n: number) => Promise<unknown>): Promise<number> {
  const start = performance.now()
  let count = 0
  while (performance.now() - start < seconds * 1000) await work(count++)
  return (count * 1000) / (performance.now() - start)
}

async function bareAppend(): Promise<number> {
  await using file = await open(join(folder, 'bare'), 'a')
  const line = `${JSON.stringify(entry('bare'))}\n`
  return await perSecond(async () => {
    await file.write(line)
    await file.datasync()
  })
}

/** Reads all, adds one, writes all: without a lock or a sync, as the predecessor did. */
async function rewrite(count: number): Promise<number> {
  const path = join(folder, `rewrite-${count}`)
  await writeFile(path, JSON.stringify(filler(count)))
  return perSecond(async n => {
    const entries = JSON.parse(await readFile(path, 'utf8')) as Entry[]
    entries.push(entry(`new-${n}`))
    await writeFile(path, JSON.stringify(entries))
  })
}

async function line(child: ChildProcess): Promise<string> {
  const [chunk] = await once(child.stdout!, 'data')
  return String(chunk).trim()
}

async function creates(kind: string, place: string, processes: number): Promise<number> {
  const children = Array.from({ length: processes }, (_, n) =>
    spawn(process.execPath, [worker, kind, place, `w${processes}-${n}`, String(seconds)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  await Promise.all(children.map(line))
  const counts = children.map(line)
  for (const child of children) child.stdin!.write('go\n')
  const sum = (await Promise.all(counts)).reduce((total, count) => total + Number(count), 0)
  return sum / seconds
}

const bare = await bareAppend()
const figures: Figure[] = []
function report(what: string, value: number): void {
  figures.push({
    what,
    value,
    unit: '/s',
    beside: 'a loop that appends an entry and syncs',
    besideValue: bare,
  })
}

for (const count of [100, 1000, 10_000]) {
  report(`rewrite the whole JSON, ${count} entries, 1 process`, await rewrite(count))
}
for (const kind of ['file', 'postgres']) {
  for (const count of [100, 1000, 10_000]) {
    for (const processes of [1, 8, 32]) {
      const place =
        kind === 'file'
          ? join(folder, `store-${count}-${processes}`)
          : await database.url(`bench_${count}_${processes}`)
      await using store = await opened(kind, place)
      await store.add(filler(count), [])
      report(
        `${kind}, ${count} entries, ${processes} ${processes === 1 ? 'process' : 'processes'}`,
        await creates(kind, place, processes),
      )
    }
  }
}

async function opened(kind: string, place: string) {
  const store =
    kind === 'file' ? openFileStore({ folder: place, purpose: 'bench' }) : await openPostgresStore(place)
  return { add: store.add, [Symbol.asyncDispose]: () => store.close() }
}

await database.stop()
await rm(folder, { recursive: true })
printFigures(figures)
