import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Entry } from '../../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { openPostgresStore } from '../../../scripts/lib/registry/postgres/postgres-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { ageLocks } from '../../e2e/locks.mts'
import { temporaryFolder } from '../temporary.mts'
import { type Database, startPostgres } from './postgres.mts'

const worker = fileURLToPath(new URL('torture-worker.mts', import.meta.url))
interface Size {
  processes: number
  /** Of each process. */
  operations: number
  /** Kills and pauses that there must be at least. */
  trials: number
}

/** What the workers said: what they tried and what was acknowledged, by `create NAME` and so on. */
interface Said {
  tried: Set<string>
  acknowledged: Set<string>
  /** Kills and pauses. */
  trials: number
}

/** Takes the locks of a worker away while it is stopped. */
type TakeLocks = () => Promise<unknown>

async function runWorker(
  args: string[],
  killAfterMs: number | undefined,
  said: Said,
  takeLocks: TakeLocks,
): Promise<void> {
  const child = spawn(process.execPath, [worker, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const closed = once(child, 'close')
  const end = performance.now() + (killAfterMs ?? Number.POSITIVE_INFINITY)
  while (child.exitCode === null && performance.now() < end) {
    await Promise.race([closed, sleep(20 + Math.random() * 150)])
    said.trials += await pause(child, takeLocks)
  }
  if (child.exitCode === null && child.kill('SIGKILL')) said.trials++
  const [code] = await closed
  if (killAfterMs === undefined && code !== 0) throw new Error(`a worker ended with ${code}: ${errors}`)
  for (const line of output.split('\n')) {
    if (line.startsWith('try ')) said.tried.add(line.slice(4))
    if (line.startsWith('ack ')) said.acknowledged.add(line.slice(4))
  }
}

/** Stops a worker, as a suspended machine does, until others have taken its locks. @returns 1 if it was stopped. */
async function pause(child: ChildProcess, takeLocks: TakeLocks): Promise<number> {
  if (child.exitCode !== null || !child.kill('SIGSTOP')) return 0
  await takeLocks()
  await sleep(Math.random() * 150)
  child.kill('SIGCONT')
  return 1
}

/**
 * Each worker is stopped again and again, killed twice at some moment and started again under another name; the third
 * time it may finish. That is repeated until there were as many kills and pauses as wanted.
 */
async function torture(
  kind: string,
  place: string,
  { processes, operations, trials: least }: Size,
  takeLocks: TakeLocks,
): Promise<Said> {
  const said: Said = { tried: new Set(), acknowledged: new Set(), trials: 0 }
  await Promise.all(
    Array.from({ length: processes }, async (_, index) => {
      for (let life = 1; life <= 3 || said.trials < least; life++) {
        const killAfterMs = life % 3 > 0 ? 300 + Math.random() * 2000 : undefined
        await runWorker([kind, place, `w${index}-${life}`, String(operations)], killAfterMs, said, takeLocks)
      }
    }),
  )
  return said
}

async function judge(
  store: RegistryStore,
  { tried, acknowledged }: Said,
  { processes }: Size,
): Promise<void> {
  const living = await store.list()
  const names = new Set(living.map(({ name }) => name))
  const archived = new Set((await store.listArchived()).map(({ name }) => name))
  expect(new Set(living.map(({ vmid }) => vmid)).size).toBe(living.length)
  expect(new Set(living.map(({ address }) => address)).size).toBe(living.length)
  const of = (verb: string, set: Set<string>): string[] =>
    [...set].filter(line => line.startsWith(verb)).map(line => line.slice(verb.length + 1))
  expect(of('create', acknowledged).length).toBeGreaterThan(processes)
  for (const name of of('destroy', acknowledged)) expect(names.has(name), `${name} is dead`).toBe(false)
  for (const name of of('create', acknowledged)) {
    const mayBeDestroyed = tried.has(`destroy ${name}`)
    expect(names.has(name) || (mayBeDestroyed && archived.has(name)), `${name} is not lost`).toBe(true)
  }
  for (const name of names) {
    const isAsked = tried.has(`create ${name}`) || name.startsWith('shared-')
    expect(isAsked, `${name} was asked for`).toBe(true)
  }
  for (const name of of('change', acknowledged)) {
    const entry = living.find(one => one.name === name)
    expect(entry === undefined || entry.phase === 'active', `${name} keeps its change`).toBe(true)
  }
  expectNotes([...living, ...(await store.listArchived())], of('note', acknowledged), of('note', tried))
  await store.close()
}

/** Checks that each note that was acknowledged is in the history of one shared VM, and no other is. */
function expectNotes(entries: Entry[], acknowledged: string[], tried: string[]): void {
  const shared = entries.filter(({ name }) => name.startsWith('shared-'))
  const notes = shared
    .flatMap(({ history }) => history.map(({ what }) => what))
    .filter(what => /^w\d/.test(what))
  expect(new Set(notes).size).toBe(notes.length)
  expect(acknowledged.filter(note => !notes.includes(note))).toEqual([])
  expect(notes.filter(note => !tried.includes(note))).toEqual([])
  expect(acknowledged.length).toBeGreaterThan(0)
}

/** Makes the tests: many processes work on one registry at once and are stopped and killed at random; nothing is lost. */
export function testTorture(size: Size): void {
  const timeout = 60_000 + size.processes * size.operations * 500
  let database: Database
  beforeAll(async () => {
    database = await startPostgres()
  }, 120_000)
  afterAll(() => database?.stop(), 60_000)

  const name = `${size.processes} processes with ${size.operations} operations, stopped and killed at random`
  test(`${name}: files`, { timeout }, async () => {
    const folder = await temporaryFolder()
    const said = await torture('file', folder, size, () => ageLocks(folder))
    report('files', said, size)
    await judge(openFileStore({ folder, purpose: 'judge' }), said, size)
  })

  test(`${name}: postgres`, { timeout }, async () => {
    const url = await database.url('torture')
    const said = await torture('postgres', url, size, () => database.endConnection(url))
    report('postgres', said, size)
    await judge(await openPostgresStore(url), said, size)
  })
}

function report(kind: string, { trials, tried, acknowledged }: Said, size: Size): void {
  const counts = `${trials} kills and pauses, ${tried.size} operations, ${acknowledged.size} acknowledged`
  process.stdout.write(`${kind}: ${counts}\n`)
  expect(trials).toBeGreaterThanOrEqual(size.trials)
}
