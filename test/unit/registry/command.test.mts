import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
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

let folder: string

beforeEach(async () => {
  folder = await temporaryFolder()
  vi.stubEnv('PROXMINT_STATE_DIR', folder)
  vi.stubEnv('PROXMINT_REGISTRY_URL', '')
})

const add = (...entries: Parameters<typeof entry>[]) =>
  withRegistry(openSite(), 'test', store =>
    store.add(
      entries.map(args => entry(...args)),
      [entry('old', { phase: 'destroyed' })],
    ),
  )

test('a backup holds everything, and comes back', async () => {
  const endless = { vmid: 151, vmidPicked: true, address: '192.168.122.231', expiresAt: null } as const
  await add(['web-1'], ['web-2', endless])
  const file = join(folder, 'backup.json')
  expect(await backUpRegistry(file)).toMatchObject({ entries: 2, archived: 1 })
  expect(await failureOf(() => restoreRegistry(file, false))).toMatchObject({
    message: `the registry in ${folder}/registry is not empty: it holds 2 VMs`,
    exitCode: 2,
  })
  const result = await restoreRegistry(file, true)
  expect(result).toMatchObject({ entries: 2, archived: 1 })
  expect(await readdir(result.movedTo!)).toContain('journal-0.jsonl')
  expect(await withRegistry(openSite(), 'test', store => store.find('web-1'))).toEqual(entry('web-1'))
  const found = await withRegistry(openSite(), 'test', store => store.find('web-2'))
  expect(found).toEqual(entry('web-2', endless))
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

test('a damaged registry is moved aside by a restore', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  await backUpRegistry(file)
  await writeFile(join(folder, 'registry/snapshot-9.json'), 'nonsense')
  expect((await failureOf(() => checkRegistry())).message).toContain('the registry is damaged')
  await restoreRegistry(file, true)
  expect(await checkRegistry()).toMatchObject({ entries: 1, faults: [] })
})

test.each(['', '{}', 'null', '{"proxmintRegistry":0,"entries":[],"archived":[]}'])(
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

const writeOld = (file: string, entries: unknown[], archived: unknown[] = []) =>
  writeFile(file, JSON.stringify({ proxmintRegistry: 1, entries, archived }))

test('a backup of an older proxmint is restored, with a warning', async () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => written.mockRestore())
  const file = join(folder, 'backup.json')
  await writeOld(file, [entry('web-1')], [entry('old', { phase: 'destroyed' })])
  expect(await restoreRegistry(file, false)).toMatchObject({ entries: 1, archived: 1 })
  expect(written.mock.calls.join('')).toContain('written by an older proxmint and has no checksum')
})

test('a backup of a newer proxmint is refused', async () => {
  const file = join(folder, 'backup.json')
  await writeFile(file, JSON.stringify({ proxmintRegistry: 3, entries: [], archived: [] }))
  expect(await failureOf(() => restoreRegistry(file, true))).toMatchObject({
    message: `${file} was written by a newer proxmint (version 3 of the format, not 2)`,
    exitCode: 3,
  })
})

test('a backup in which anything changed is refused, and nothing is', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  await backUpRegistry(file)
  await writeFile(file, (await readFile(file, 'utf8')).replace('192.168.122.230', '192.168.122.231'))
  expect(await failureOf(() => restoreRegistry(file, true))).toMatchObject({
    message: `the backup ${file} is damaged:\n  - its checksum is wrong`,
    exitCode: 3,
  })
  expect((await checkRegistry()).entries).toBe(1)
})

test.each<[string, Record<string, unknown>, string]>([
  ['without a name', { name: undefined }, "entry 1: it must have required property 'name'"],
  ['with a name that leads out of its folder', { name: '../../keys' }, 'entry 1: name must match pattern'],
  ['with a phase that nobody knows', { phase: 'activf' }, 'web-1: phase must be one of reserved, '],
  ['that is destroyed', { phase: 'destroyed' }, 'web-1: its phase is destroyed'],
  [
    'that expired before it was made',
    { expiresAt: '2016-01-01T00:00:00.000Z' },
    'web-1: it expires on 2016-01-01',
  ],
  [
    'with an expiry that is no date',
    { expiresAt: '2026-13-45T00:00:00.000Z' },
    'web-1: 2026-13-45T00:00:00.000Z is not a date',
  ],
  ['with a VMID that is text', { vmid: '150' }, 'web-1: vmid must be integer, not "150"'],
  ['without a history', { history: undefined }, "web-1: it must have required property 'history'"],
  ['with a node that leads to another request', { node: '../../keys' }, 'web-1: node must match pattern'],
  [
    'with a version that leads out of its folder',
    { template: { family: 'debian', version: '../../keys' } },
    'web-1: template.version must match pattern',
  ],
])('an entry %s is refused, and nothing is changed', async (_, changes, fault) => {
  await add(['db-1', { vmid: 151, address: '192.168.122.231' }])
  const file = join(folder, 'backup.json')
  await writeOld(file, [{ ...entry('web-1'), ...changes }])
  const failure = await failureOf(() => restoreRegistry(file, true))
  expect(failure).toMatchObject({ exitCode: 3 })
  expect(failure.message).toContain(fault)
  expect(await withRegistry(openSite(), 'test', store => store.find('db-1'))).toBeDefined()
})

test.each(['imported from a vms.json', 'adopted'])(
  'a VM that had expired when it was %s comes back by a restore',
  async what => {
    const history = [{ at: entry('web-1').createdAt, what }]
    await add(['web-1', { expiresAt: '2016-01-01T00:00:00.000Z', history }])
    const file = join(folder, 'backup.json')
    await backUpRegistry(file)
    expect(await restoreRegistry(file, true)).toMatchObject({ entries: 1 })
  },
)

test('a destroyed entry with a wrong phase is refused', async () => {
  const file = join(folder, 'backup.json')
  await writeOld(file, [], [entry('old')])
  const failure = await failureOf(() => restoreRegistry(file, false))
  expect(failure.message).toContain('old: it is among the destroyed, and its phase is active')
})

test('a registry that is gone comes back by a restore', async () => {
  await add(['web-1'])
  const file = join(folder, 'backup.json')
  await backUpRegistry(file)
  await rm(join(folder, 'registry'), { recursive: true })
  expect((await failureOf(() => restoreRegistry(file, false))).message).toContain('the registry is gone')
  expect(await restoreRegistry(file, true)).toMatchObject({ entries: 1, movedTo: undefined })
  expect(await checkRegistry()).toMatchObject({ entries: 1, archived: 1, faults: [] })
})

describe('kill -9 of a restore leaves the former registry or the new one, at', () => {
  test.each([
    ['registry-prepared', 'web-1'],
    ['registry-replaced', 'new'],
  ])('%s', async (moment, name) => {
    await add(['web-1'])
    const file = join(folder, 'backup.json')
    await writeOld(file, [entry('new')], [entry('older', { phase: 'destroyed' })])
    const zx = resolve(import.meta.dirname, '../../../node_modules/zx/build/cli.js')
    const script = resolve(import.meta.dirname, '../../../scripts/registry.mts')
    const child = spawn(process.execPath, [zx, script, 'restore', file, '--replace'], {
      env: { ...process.env, PROXMINT_TEST_KILL_AT: moment },
      stdio: 'ignore',
    })
    expect((await once(child, 'close'))[1]).toBe('SIGKILL')
    const [found, archived] = await withRegistry(openSite(), 'test', store =>
      Promise.all([store.list(), store.listArchived()]),
    )
    expect(found.map(one => one.name)).toEqual([name])
    expect(archived.map(one => one.name)).toEqual([name === 'new' ? 'older' : 'old'])
    expect(await checkRegistry()).toMatchObject({ entries: 1, archived: 1 })
  })
})

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
