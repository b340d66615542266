import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createBroadcast } from '../../pve/cluster/broadcast.mts'
import { API_WORKERS, type Pve } from '../../pve/core/pve.mts'
import { workerOf } from '../../pve/http/connections.mts'

beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] }))
afterEach(() => vi.useRealTimers())

type Vms = Record<number, { vmid: number; node: string; config: Record<string, string> }>

/** A node with one VM, and what each worker says of its name. */
async function nodeWith(name: string, seconds: number) {
  const vms: Vms = { 100: { vmid: 100, node: 'pve', config: { name } } }
  const state = { nodes: [{ name: 'pve', online: true }], storages: {}, vms }
  const where = { node: 'pve', version: 9, dataDir: tmpdir(), live: new Map(), startedAt: Date.now() }
  const broadcast = createBroadcast({ ...where, store: { state } } as unknown as Pve, seconds)
  await broadcast.restart()
  const nameBy = async (worker: number) => (await broadcast.seenBy(worker)).get('vm/100')?.['name']
  return { vms, broadcast, nameBy }
}

/** Lets time go by, and what the node sends arrive. */
async function after(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms)
  await new Promise(resolve => setTimeout(resolve, 100))
}

test('a change shows after the next broadcast, at another time by each worker', async () => {
  const { vms, broadcast, nameBy } = await nodeWith('before', 10)
  vms[100]!.config = { name: 'after' }
  await after(9000)
  expect(await nameBy(0)).toBe('before')
  await after(900)
  expect(await nameBy(1)).toBe('before')
  await after(1200)
  // The copies of the first two are 2.1 s and 1.2 s old; a copy is kept for 2 s.
  expect([await nameBy(0), await nameBy(1), await nameBy(2)]).toEqual(['after', 'before', 'after'])
  await after(900)
  expect([await nameBy(0), await nameBy(1), await nameBy(2)]).toEqual(['after', 'after', 'after'])
  broadcast.end()
})

test('what is deleted is kept for 5 minutes, for a VM that gets its VMID', async () => {
  const { vms, broadcast, nameBy } = await nodeWith('deleted', 10)
  delete vms[100]
  for (let sent = 0; sent < 29; sent++) await after(10_000)
  expect(await nameBy(0)).toBe('deleted')
  for (let sent = 0; sent < 3; sent++) await after(10_000)
  expect(await nameBy(0)).toBeUndefined()
  broadcast.end()
})

test('without a period a change shows at once', async () => {
  const { vms, nameBy } = await nodeWith('before', 0)
  vms[100]!.config = { name: 'after' }
  expect([await nameBy(0), await nameBy(1), await nameBy(2)]).toEqual(['after', 'after', 'after'])
})

test('workers take connections in turn, and keep them', () => {
  const sockets = Array.from({ length: API_WORKERS }, () => ({}) as Socket)
  const workers = sockets.map(workerOf)
  expect([...workers].sort()).toEqual([0, 1, 2])
  expect(sockets.map(workerOf)).toEqual(workers)
})
