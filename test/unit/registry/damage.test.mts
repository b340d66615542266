/** A registry in files that was damaged, emptied, removed or exchanged is not taken for a new one. */
import { appendFile, cp, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { encodeLine } from '../../../scripts/lib/registry/file/state.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import { entry, limits, wanted } from './entries.mts'

let folder: string
let journal: string
let marker: string

function open(compactAfter = 1000): RegistryStore {
  const store = openFileStore({ folder, purpose: 'test', compactAfter })
  onTestFinished(() => store.close())
  return store
}

const reserve = (...names: string[]) => reserveIn(open(), names)

async function reserveIn(store: RegistryStore, names: string[]): Promise<void> {
  for (const name of names) await store.reserve([wanted(name)], limits())
}

const names = async () => (await open().list()).map(({ name }) => name)

beforeEach(async () => {
  folder = join(await temporaryFolder(), 'registry')
  journal = join(folder, 'journal-0.jsonl')
  marker = `${folder}.last`
})

describe('nothing is given out, and the error says what to do', () => {
  const toCrlf = async () => writeFile(journal, (await readFile(journal, 'utf8')).replaceAll('\n', '\r\n'))
  const cutLastLine = async () => {
    const text = await readFile(journal, 'utf8')
    await truncate(journal, text.trimEnd().lastIndexOf('\n') + 1)
  }

  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'the journal emptied',
      () => truncate(journal),
      /the registry is gone: .* ends with commit 0, .* at least 2/,
    ],
    ['the journal removed', () => rm(journal), /the registry is gone/],
    ['the folder removed', () => rm(folder, { recursive: true }), /the registry is gone/],
    [
      'the last line cut off',
      cutLastLine,
      /the registry is older than it was: .* ends with commit 1, .* at least 2/,
    ],
    ['converted to CR LF', toCrlf, /line 1 is wrong; a program has converted its ends of lines to CR LF/],
    ['garbage', () => writeFile(journal, 'garbage\n'), /the checksum of line 1 is wrong/],
    ['a line added by hand', () => appendFile(journal, '{}\n'), /the checksum of line 3 is wrong/],
  ])('%s', async (_, damage, message) => {
    await reserve('web-1', 'web-2')
    await damage()
    const attempts = [names, () => reserve('web-3'), () => open().listArchived(), () => open().find('web-1')]
    for (const attempt of attempts) {
      const failure = await failureOf(attempt)
      expect(failure.message).toMatch(message)
      expect(failure).toMatchObject({
        exitCode: 1,
        hint: expect.stringContaining('registry.mts restore FILE --replace'),
      })
    }
  })

  test('an older copy of the registry, and one that went another way', async () => {
    await reserve('web-1')
    await cp(folder, `${folder}.copy`, { recursive: true })
    await reserve('web-2')
    await rm(folder, { recursive: true })
    await rename(`${folder}.copy`, folder)
    expect((await failureOf(names)).message).toContain('the registry is older than it was')
    await rm(marker)
    await reserve('web-3')
    await rm(marker)
    await cp(folder, `${folder}.copy`, { recursive: true })
    await reserve('web-4')
    await rm(folder, { recursive: true })
    await rename(`${folder}.copy`, folder)
    const after = await readFile(marker)
    await rm(marker)
    await reserve('web-5')
    await writeFile(marker, after)
    expect((await failureOf(names)).message).toContain('the registry was exchanged for another')
  })
})

test('each of the bits of the last line is seen when it changes', async () => {
  await reserve('web-1', 'web-2')
  const text = await readFile(journal)
  const start = text.subarray(0, -1).lastIndexOf(0x0a) + 1
  const unseen: string[] = []
  for (let at = start; at < text.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Buffer.from(text)
      flipped[at]! ^= 1 << bit
      await writeFile(journal, flipped)
      const store = openFileStore({ folder, purpose: 'test' })
      const found = await store.list().catch(() => undefined)
      await store.close()
      if (found !== undefined) unseen.push(`byte ${at - start}, bit ${bit}`)
    }
  }
  expect(unseen).toEqual([])
  await writeFile(journal, text)
  expect(await names()).toEqual(['web-1', 'web-2'])
})

test('a line that was cut short by a crash is dropped, twice in a row, too', async () => {
  await reserve('web-1')
  await appendFile(journal, '0123abcd {"version":1,"serial":2,"put":[{"na')
  expect(await names()).toEqual(['web-1'])
  await reserve('web-2')
  await appendFile(journal, '4567abcd {"version":1,"seri')
  await reserve('web-3')
  expect(await names()).toEqual(['web-1', 'web-2', 'web-3'])
})

test('a registry of an older proxmint is read, and gets its marker by the first commit', async () => {
  await reserve('web-1')
  await rm(marker)
  expect(await names()).toEqual(['web-1'])
  // A line that was cut short, as an older proxmint ended it: by its own commit.
  const text = await readFile(journal, 'utf8')
  await writeFile(journal, `0123abcd {"version":1,"serial":1,"put":[{"na\n${text}`)
  expect(await names()).toEqual(['web-1'])
  await reserve('web-2')
  expect(await readFile(marker, 'utf8')).toMatch(/"serial":2,/)
})

test.each([
  ['the marker', () => marker],
  ['the journal', () => journal],
])('%s that cannot be read is no defect of proxmint', async (_, path) => {
  await reserve('web-1')
  await rm(path())
  // Root reads every file, but no folder as one.
  await mkdir(path())
  const failure = await failureOf(names)
  expect(failure.message).toMatch(/the registry cannot be read: EISDIR/)
  expect(failure.hint).toContain('ls -ld ')
})

test('a marker with damaged content still tells that there was a registry', async () => {
  await reserve('web-1')
  await writeFile(marker, 'garbage')
  expect(await names()).toEqual(['web-1'])
  await rm(folder, { recursive: true })
  expect((await failureOf(names)).message).toContain('the registry is gone')
})

test('the marker follows a compaction', async () => {
  await reserveIn(open(1), ['web-1', 'web-2'])
  expect(await names()).toEqual(['web-1', 'web-2'])
  await rm(folder, { recursive: true })
  expect((await failureOf(names)).message).toMatch(/the registry is gone: .* at least \d/)
})

test('a name that leads out of the folder of a VM is refused', async () => {
  await reserve('web-1')
  const record = {
    version: 1,
    serial: 2,
    id: 'x',
    put: [entry('../../keys')],
    archive: [],
    cursors: {},
    seal: false,
  }
  await appendFile(journal, encodeLine(record))
  expect((await failureOf(names)).message).toBe('the registry holds an entry whose name is "../../keys"')
})
