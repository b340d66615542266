import { expect, test } from 'vitest'
import { chooseNode } from '../../../scripts/lib/vm/plan/node.mts'
import { failureOf } from '../failure.mts'

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
  expect(chooseNode(nodes, storages, { storage: 'tank', templateNodes: [...templates] })).toBe(chosen)
})

test('where none can take it, each says why', async () => {
  const nodes = [node('a', 8, 'offline'), node('b', 8), node('c', 8), { node: 'd', status: 'online' }]
  const wish = { storage: 'tank', templateNodes: ['a', 'c', 'd'] }
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
