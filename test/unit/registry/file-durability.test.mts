import { once } from 'node:events'
import { appendFile, open as openFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import {
  append,
  finishSealed,
  type Generation,
  openGeneration,
} from '../../../scripts/lib/registry/file/generation.mts'
import { replaceRegistry } from '../../../scripts/lib/registry/file/replace.mts'
import type { JournalRecord } from '../../../scripts/lib/registry/file/state.mts'
import { encodeLine } from '../../../scripts/lib/registry/file/state.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { interrupted } from '../../../scripts/lib/run/errors.mts'
import { changeEntry } from '../../change-entry.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import { entry, limits, wanted } from './entries.mts'

let folder: string
let store: RegistryStore
const journal = (number = 0) => join(folder, `journal-${number}.jsonl`)

function open(compactAfter = 1000): RegistryStore {
  const opened = openFileStore({ folder, purpose: 'test', compactAfter })
  onTestFinished(() => opened.close())
  return opened
}

async function generation(): Promise<Generation> {
  const opened = await openGeneration(folder)
  onTestFinished(() => opened.journal?.close())
  return opened
}

const reserve = (name: string) => store.reserve([wanted(name)], limits())
const names = async (from = open()) => (await from.list()).map(({ name }) => name)

beforeEach(async () => {
  folder = await temporaryFolder()
  store = open()
})

function record({ state }: Generation, changes: Partial<JournalRecord> = {}): JournalRecord {
  const serial = state.serial + 1
  return {
    version: 1,
    serial,
    id: `${Math.random()}`,
    put: [],
    archive: [],
    cursors: {},
    seal: false,
    ...changes,
  }
}

test('a line that its writer did not finish is passed over, and the next commit is not part of it', async () => {
  await reserve('web-1')
  await appendFile(journal(), '0123abcd {"version":1,"serial":2,"put":[{"na')
  store = open()
  await reserve('web-2')
  expect(await names()).toEqual(['web-1', 'web-2'])
})

test('a commit that was acknowledged and cannot be read is told, not passed over', async () => {
  await reserve('web-1')
  await reserve('web-2')
  const text = await readFile(journal(), 'utf8')
  await writeFile(journal(), text.replace('web-1', 'web-9'))
  expect(await failureOf(() => names())).toMatchObject({
    message: `the registry is damaged: ${journal()}: commit 1 cannot be read, though 2 can`,
    exitCode: 1,
  })
})

test('a damaged snapshot is told', async () => {
  await writeFile(join(folder, 'snapshot-5.json'), '00000000 {}\n')
  expect(await failureOf(() => names())).toMatchObject({
    message: `the registry is damaged: ${join(folder, 'snapshot-5.json')}: its checksum is wrong`,
  })
})

test('a journal without its snapshot is told', async () => {
  await writeFile(journal(5), '')
  expect(await failureOf(() => names())).toMatchObject({
    message: `the registry is damaged: ${journal(5)}: the snapshot before it is missing`,
  })
})

test.each(['journal-0.jsonl', 'snapshot-3.json'])('a newer version of %s is refused', async name => {
  await writeFile(join(folder, name), encodeLine({ version: 2, serial: 1 }))
  expect(await failureOf(() => names())).toMatchObject({
    message: `${join(folder, name)} was written by a newer proxmint (version 2 of the format, not 1)`,
  })
})

test('of two writers that both think they hold the lock, the first commit counts and the second knows', async () => {
  const [slow, fast] = [await generation(), await generation()]
  const late = record(slow, { put: [entry('late')] })
  expect(await append(fast, record(fast, { put: [entry('fast')] }))).toBe(true)
  expect(await append(slow, late)).toBe(false)
  expect(await names()).toEqual(['fast'])
})

test('a commit to a journal that was sealed meanwhile does not count, even when it is removed', async () => {
  const slow = await generation()
  const late = record(slow, { put: [entry('late')] })
  const fast = await generation()
  await append(fast, record(fast, { put: [entry('fast')], seal: true }))
  await finishSealed(fast)
  expect(await readdir(folder)).toEqual(['snapshot-1.json'])
  expect(await append(slow, late)).toBe(false)
  expect(await names()).toEqual(['fast'])
})

test('a run that died between seal and snapshot is finished by the next', async () => {
  await reserve('web-1')
  const dying = await generation()
  await append(dying, record(dying, { seal: true }))
  expect(await names()).toEqual(['web-1'])
  await reserve('web-2')
  expect(await names()).toEqual(['web-1', 'web-2'])
  expect((await readdir(folder)).sort()).toEqual(['journal-2.jsonl', 'snapshot-2.json'])
})

test('a store that only reads notices a newer snapshot', async () => {
  await reserve('web-1')
  const reader = open()
  expect(await names(reader)).toEqual(['web-1'])
  const other = open(1)
  await other.reserve([wanted('web-2')], limits())
  await other.reserve([wanted('web-3')], limits())
  expect(await names(reader)).toEqual(['web-1', 'web-2', 'web-3'])
})

test('no file of older snapshots stays behind, and the archive does', async () => {
  store = open(1)
  for (const name of ['a', 'b']) {
    await reserve(name)
    await changeEntry(store, name, one => ({ ...one, phase: 'destroyed' }))
  }
  expect((await readdir(folder)).filter(name => name.startsWith('snapshot'))).toHaveLength(1)
  expect((await open().listArchived()).map(({ name }) => name)).toEqual(['a', 'b'])
})

test('work whose lock is lost is told to stop, and says so', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const failure = await failureOf(() =>
    store.exclusively('web-1', 'apply', async lost => {
      await rm(join(folder, 'vm-web-1.lock'), { recursive: true })
      const told = once(lost, 'abort')
      await vi.advanceTimersByTimeAsync(15_000)
      await told
      throw interrupted('apply web-1')
    }),
  )
  expect(failure).toMatchObject({
    message: 'apply web-1: its lock was lost, and it was stopped',
    facts: { 'stopped at': 'interrupted: apply web-1' },
    exitCode: 5,
  })
})

test("the folder and the one around it are their owner's alone", async () => {
  const state = join(folder, 'state')
  const made = openFileStore({ folder: join(state, 'registry'), purpose: 'test' })
  await made.reserve([wanted('web-1')], limits())
  await made.close()
  const modes = await Promise.all([state, join(state, 'registry')].map(async path => (await stat(path)).mode))
  expect(modes.map(mode => mode & 0o777)).toEqual([0o700, 0o700])
})

test('a run that has a registry open when it is replaced does not go on in the old one', async () => {
  folder = join(folder, 'registry')
  store = open()
  await reserve('web-1')
  const movedTo = await replaceRegistry(folder, 'test', { entries: [entry('old')], archived: [] })
  await reserve('web-2')
  expect(await names()).toEqual(['old', 'web-2'])
  expect(await names(openFileStore({ folder: movedTo!, purpose: 'test' }))).toEqual(['web-1'])
})

test('a commit that a restore overtook before it was acknowledged is made in the restored registry', async () => {
  folder = join(folder, 'registry')
  store = open()
  await reserve('web-1')
  const slow = await generation()
  const late = record(slow, { put: [entry('late')] })
  // The restore comes between the write of the line and its acknowledgement.
  const handle = await openFile(journal(), 'a+')
  const { datasync } = handle
  handle.datasync = async () => {
    await replaceRegistry(folder, 'test', { entries: [entry('old')], archived: [] })
    return datasync.call(handle)
  }
  slow.journal = handle
  expect(await append(slow, late)).toBe(false)
  expect(await names()).toEqual(['old'])
})

test('archives of before a restore do not count, also while they are still there', async () => {
  store = open(1)
  await reserve('gone')
  await changeEntry(store, 'gone', one => ({ ...one, phase: 'destroyed' }))
  await reserve('web-1')
  const archive = (await readdir(folder)).find(name => name.startsWith('archive-'))!
  const text = await readFile(join(folder, archive))
  const movedTo = await replaceRegistry(folder, 'test', { entries: [], archived: [entry('kept')] })
  onTestFinished(() => rm(movedTo!, { recursive: true }))
  await writeFile(join(folder, archive), text)
  expect((await open().listArchived()).map(({ name }) => name)).toEqual(['kept'])
})

test('a folder that cannot be made says so', async () => {
  await rm(folder, { recursive: true })
  await writeFile(folder, '')
  expect(await failureOf(() => reserve('web-1'))).toMatchObject({ exitCode: 1 })
})
