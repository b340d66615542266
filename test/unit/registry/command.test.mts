import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { withRegistry } from '../../../scripts/lib/site/open-registry.mts'
import {
  backUpRegistry,
  checkRegistry,
  formatRegistry,
  restoreRegistry,
} from '../../../scripts/lib/site/registry-command.mts'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import { entry } from './entries.mts'

const disk = vi.hoisted(() => ({ full: false }))
vi.mock('../../../scripts/lib/registry/file/file-store.mts', async importOriginal => {
  const { openFileStore } =
    await importOriginal<typeof import('../../../scripts/lib/registry/file/file-store.mts')>()
  const open: typeof openFileStore = options => {
    const store = openFileStore(options)
    return disk.full ? { ...store, add: () => Promise.reject(new Error('the disk is full')) } : store
  }
  return { openFileStore: open }
})

let folder: string

beforeEach(async () => {
  disk.full = false
  folder = await temporaryFolder()
  vi.stubEnv('PROXMINT_STATE_DIR', folder)
  vi.stubEnv('PROXMINT_REGISTRY_URL', '')
})

const add = (...entries: Parameters<typeof entry>[]) =>
  withRegistry(openSite(), 'test', store =>
    store.add(
      entries.map(args => entry(...args)),
      [entry('old')],
    ),
  )

test('a backup holds everything, and comes back', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  expect(await backUpRegistry(file)).toMatchObject({ entries: 1, archived: 1 })
  expect(await failureOf(() => restoreRegistry(file, false))).toMatchObject({
    message: `the registry in ${folder}/registry is not empty: it holds 1 VM`,
    exitCode: 2,
  })
  const result = await restoreRegistry(file, true)
  expect(result).toMatchObject({ entries: 1, archived: 1 })
  expect(await readdir(result.movedTo!)).toContain('journal-0.jsonl')
  expect(await withRegistry(openSite(), 'test', store => store.find('web-1'))).toEqual(entry('web-1'))
})

test('a backup that contradicts itself moves nothing', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  const entries = [entry('a'), entry('b')]
  await writeFile(file, JSON.stringify({ proxmintRegistry: 1, entries, archived: [] }))
  const failure = await failureOf(() => restoreRegistry(file, true))
  expect(failure.message).toContain('b: VMID 150 also belongs to a')
  expect((await checkRegistry()).entries).toBe(1)
})

test('a registry in which somebody works on a VM is not moved', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  await backUpRegistry(file)
  const failure = await withRegistry(openSite(), 'test', store =>
    store.exclusively('web-1', 'apply', () => failureOf(() => restoreRegistry(file, true))),
  )
  expect(failure).toMatchObject({
    message: `registry restore: another run holds the lock ${folder}/registry/vm-web-1.lock`,
    exitCode: 5,
  })
  expect(failure.facts['holder']).toContain('apply web-1, process ')
  expect((await checkRegistry()).entries).toBe(1)
  expect((await restoreRegistry(file, true)).movedTo).toBeDefined()
})

test('where a restore fails after all, it says where the former registry is', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  await backUpRegistry(file)
  disk.full = true
  const failure = await failureOf(() => restoreRegistry(file, true))
  expect(failure.message).toBe('the backup was not restored: the disk is full')
  expect(await readdir(String(failure.facts['former registry']))).toContain('journal-0.jsonl')
})

test('a damaged registry is moved aside by a restore', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  await backUpRegistry(file)
  await writeFile(join(folder, 'registry/snapshot-9.json'), 'nonsense')
  expect((await failureOf(() => checkRegistry())).message).toContain('the registry is damaged')
  await restoreRegistry(file, true)
  expect(await checkRegistry()).toMatchObject({ entries: 1, faults: [] })
})

test.each(['', '{}', 'null', '{"proxmintRegistry":2,"entries":[],"archived":[]}'])(
  '"%s" is no backup, and changes nothing',
  async text => {
    await add(['web-1'])
    const file = join(folder, 'backup.json')
    await writeFile(file, text)
    expect(await failureOf(() => restoreRegistry(file, true))).toMatchObject({
      message: `${file} is not a backup of a registry`,
      exitCode: 3,
    })
    expect(await checkRegistry()).toMatchObject({ entries: 1 })
  },
)

const designOn = (contract: string) => ({ access: { chainId: 1, contract } }) as VmDesign

test('the check names every fault', async () => {
  const token = { status: 'minted', id: '4', transaction: null } as const
  await add(
    ['a', { vmid: 5, token }],
    ['b', { address: '10.0.0.1', token }],
    ['d', { vmid: 153, address: '192.168.122.233', token, design: designOn('0x1') }],
    ['e', { vmid: 154, address: '192.168.122.234', token, design: designOn('0x2') }],
    ['c', { pool: 'gone', vmid: 152, address: '192.168.122.3', phase: 'minted' }],
  )
  const result = await checkRegistry()
  expect(result.faults).toEqual([
    'a: VMID 5 is not in vmid_range, 100 to 999',
    'b: the address 10.0.0.1 is not in the pool default',
    'c: its pool gone is not in config/db.yaml any more',
    'c: its phase is minted, but its token is not',
    'b: token 4 also belongs to a',
  ])
  expect(formatRegistry('check', undefined, result).split('\n')[0]).toBe(
    `the registry in ${folder}/registry: 5 VMs, 1 destroyed: 5 faults`,
  )
})
