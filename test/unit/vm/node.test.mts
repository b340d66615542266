import { describe, expect, test } from 'vitest'
import type { Credentials } from '../../../scripts/lib/credentials/credentials.mts'
import type { ProxmoxClient } from '../../../scripts/lib/proxmox/client.mts'
import type { Entry, VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { chooseNode, pickNode, promisedMemory } from '../../../scripts/lib/vm/plan/node.mts'
import { failureOf } from '../failure.mts'
import { entry } from '../registry/entries.mts'

const node = (name: string, free: number, status = 'online') => ({
  node: name,
  status,
  mem: 64 - free,
  maxmem: 64,
})
const on = (...nodes: string[]) => nodes.map(name => ({ storage: 'tank', node: name, status: 'available' }))

test.each([
  ['the most free memory', [node('a', 8), node('b', 32), node('c', 16)], on('a', 'b', 'c'), 'abc', 'b'],
  ['the first of equals', [node('b', 8), node('a', 8)], on('a', 'b'), 'ab', 'a'],
  ['not one that is offline', [node('a', 8), node('b', 32, 'offline')], on('a', 'b'), 'ab', 'a'],
  ['not one without the storage', [node('a', 8), node('b', 32)], on('a'), 'ab', 'a'],
  ['not one without the VM template', [node('a', 8), node('b', 32)], on('a', 'b'), 'a', 'a'],
])('--node auto: %s', (_, nodes, storages, templates, chosen) => {
  expect(chooseNode(nodes, storages, { storages: ['tank'], templateNodes: [...templates] })).toBe(chosen)
})

test('where none can take it, each says why', async () => {
  const nodes = [node('a', 8, 'offline'), node('b', 8), node('c', 8), { node: 'd', status: 'online' }]
  const wish = { storages: ['tank'], templateNodes: ['a', 'c', 'd'] }
  expect(await failureOf(() => chooseNode(nodes, on('a', 'd'), wish))).toMatchObject({
    message: 'no node can take the VM',
    facts: {
      a: 'is offline',
      b: 'has no copy of the VM template',
      c: 'has no storage tank',
      d: 'does not tell its memory: Sys.Audit on it is missing',
    },
  })
})

describe('memory that Proxmox does not count yet', () => {
  const MIB = 2 ** 20
  const now = Date.parse('2026-03-10T00:00:00.000Z')
  const vm = (phase: Entry['phase'], node: string | null, memory: number, seconds = 60): Entry =>
    entry('x', {
      ...{ phase, node, design: { memory } as VmDesign },
      history: [{ at: new Date(now - seconds * 1000).toISOString(), what: phase }],
    })

  test('is that of VMs that are to start, or started just now', () => {
    const entries = [
      vm('reserved', 'a', 1024, 9999),
      vm('created', 'a', 512),
      vm('minted', 'b', 256),
      vm('active', 'b', 128, 14),
      vm('active', 'b', 64, 16),
      vm('suspended', 'a', 32, 1),
      vm('reserved', null, 16),
      entry('imported', { node: 'a', design: null }),
    ]
    expect(promisedMemory(entries, now)).toEqual(
      new Map([
        ['a', 1536 * MIB],
        ['b', 384 * MIB],
      ]),
    )
  })

  test('counts as used: VMs that are made one after another go to different nodes', async () => {
    const nodes = ['a', 'b', 'c'].map(name => ({ node: name, status: 'online', mem: 0, maxmem: 4096 * MIB }))
    const request = async (_: string, __: string, { type }: { type: string }) =>
      type === 'storage' ? on('a', 'b', 'c') : nodes
    const connection = {
      client: { request } as unknown as ProxmoxClient,
      credentials: { storagePool: 'tank' } as Credentials,
    }
    const copies = ['a', 'b', 'c'].map(name => ({ node: name }))
    const source = { family: 'debian', version: { copies } } as Parameters<typeof pickNode>[1]['source']
    const made: Entry[] = []
    for (let count = 0; count < 6; count++) {
      made.push(vm('reserved', await pickNode(connection, { source, design: {} as never }, made), 1024))
    }
    expect(made.map(({ node }) => node)).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  })
})
