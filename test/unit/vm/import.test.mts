import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import type { RegistryStore } from '../../../scripts/lib/registry/store.mts'
import type { Site } from '../../../scripts/lib/site/site.mts'
import { importVms } from '../../../scripts/lib/vm/life/import.mts'
import { failureOf } from '../failure.mts'
import { pool } from '../registry/entries.mts'
import { temporaryFolder } from '../temporary.mts'

let folder: string
let store: RegistryStore

beforeEach(async () => {
  folder = await temporaryFolder()
  store = openFileStore({ folder: join(folder, 'registry'), purpose: 'test' })
  onTestFinished(() => store.close())
})

const site = { pools: async () => ({ pools: { default: pool() } }) } as unknown as Site
const good = {
  ...{ vmid: 101, ip_address: '192.168.122.201', expires_at: '2026-02-01T00:00:00', status: 'active' },
}

async function importing(vms: object) {
  const file = join(folder, 'vms.json')
  await writeFile(file, JSON.stringify({ vms }))
  return importVms(file, store, site)
}

test.each([
  ['all', { a: good }, 0, ['a']],
  ['some', { a: good, b: null }, 7, ['a']],
  ['none', { b: null }, 3, []],
  ['no living VM', { c: { status: 'destroyed' } }, 3, []],
])('the exit code says whether %s was imported', async (_, vms, exitCode, names) => {
  expect(await importing(vms)).toMatchObject({ exitCode })
  expect((await store.list()).map(({ name }) => name)).toEqual(names)
})

test('a VM that the registry has is a conflict, and nothing is added', async () => {
  await importing({ a: good })
  const again = { a: good, b: { ...good, vmid: 102, ip_address: '192.168.122.202' } }
  expect(await failureOf(() => importing(again))).toMatchObject({
    message: expect.stringContaining('a: the name is used twice'),
    exitCode: 2,
  })
  expect((await store.list()).map(({ name }) => name)).toEqual(['a'])
})
