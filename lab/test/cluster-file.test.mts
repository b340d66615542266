import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { checkCluster, readCluster } from '../cluster/check.mts'
import { nearest } from '../cluster/nearest.mts'
import { LabUsageError } from '../core/lab-error.mts'

const GIB = 1024 ** 3

const GOOD = `
nodes:
  - name: pve
    cores: 8
    memory: 1.5
  - name: pve2
    online: false
storages:
  - id: local
    type: dir
    content: [iso, snippets]
  - id: nas
    type: nfs
    content: [images]
    nodes: [pve]
    size: 10
`

const refusalOf = (text: string) => {
  try {
    checkCluster(parse(text))
  } catch (error) {
    expect(error).toBeInstanceOf(LabUsageError)
    const { message, hint } = error as LabUsageError
    return `${message.replace('the cluster is not accepted: ', '')} | ${hint}`
  }
  return 'accepted'
}

test('sizes are in GiB, and what is not said has a default', () => {
  expect(checkCluster(parse(GOOD))).toEqual({
    nodes: [
      { name: 'pve', cores: 8, memory: 1.5 * GIB, online: true },
      { name: 'pve2', cores: undefined, memory: undefined, online: false },
    ],
    storages: [
      {
        id: 'local',
        type: 'dir',
        content: ['iso', 'snippets'],
        nodes: undefined,
        shared: false,
        size: undefined,
      },
      { id: 'nas', type: 'nfs', content: ['images'], nodes: ['pve'], shared: true, size: 10 * GIB },
    ],
  })
})

test.each([
  [
    /cores: 8/,
    'core: 8',
    'nodes[0].core is not a known key | did you mean `cores`? Known: name, cores, memory, online',
  ],
  [/storages:/, 'storage:', 'storage is not a known key | did you mean `storages`? Known: nodes, storages'],
  [/cores: 8/, 'cores: many', 'nodes[0].cores is "many" | it takes a whole number from 1'],
  [/memory: 1.5/, 'memory: 0', 'nodes[0].memory is 0 | it takes a number of GiB above 0'],
  [/online: false/, 'online: maybe', 'nodes[1].online is "maybe" | it takes true or false'],
  [/cores: 8/, 'online: false', 'nodes[0].online is false | it takes true: the first node serves the API'],
  [/name: pve2/, 'name: pve', 'nodes[1].name `pve` is there twice | give each its own name'],
  [
    /name: pve2/,
    'name: pve_2',
    'nodes[1].name is "pve_2" | it takes letters, digits and hyphens, such as pve2',
  ],
  [/name: pve2\n {4}/, '', 'nodes[1].name is missing | add name there'],
  [/id: nas/, 'id: local', 'storages[1].id `local` is there twice | give each its own id'],
  [
    /type: nfs/,
    'type: ceph',
    'storages[1].type is "ceph" | it takes dir, nfs, cifs, btrfs, zfspool, lvmthin, lvm',
  ],
  [
    /\[iso, snippets\]/,
    '[iso, snippet]',
    'storages[0].content[1] `snippet` is not a content of a dir storage | did you mean `snippets`? Known: images, rootdir, iso, vztmpl, snippets, import, backup',
  ],
  [
    /type: dir/,
    'type: lvmthin',
    'storages[0].content[0] `iso` is not a content of a lvmthin storage | known: images, rootdir',
  ],
  [
    /content: \[images\]/,
    'content: images',
    'storages[1].content is "images" | it takes a list of images, rootdir, iso, vztmpl, snippets, import, backup',
  ],
  [
    /nodes: \[pve\]/,
    'nodes: [pev2]',
    'storages[1].nodes[0] `pev2` is not a node of this cluster | did you mean `pve2`? Known: pve, pve2',
  ],
  [
    /nodes: \[pve\]/,
    'shared: false',
    'storages[1].shared is false | it takes true for nfs: that is what it is for',
  ],
  [
    /type: nfs/,
    'type: zfspool\n    shared: true',
    'storages[1].shared is true | it takes false for zfspool: each node has a pool of its own',
  ],
  [/storages:[\s\S]*/, 'storages: []', 'storages is [] | it takes a list of at least one'],
  [/nodes:[\s\S]*/, 'none', 'it is not a mapping | give `nodes:` and `storages:`'],
])('%s replaced by %s is refused with its path', (from, to, refusal) => {
  expect(refusalOf(GOOD)).toBe('accepted')
  expect(refusalOf(GOOD.replace(from, to))).toBe(refusal)
})

describe('a file', () => {
  test('that is wrong is named', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cluster-file-'))
    const file = join(folder, 'cluster.yaml')
    try {
      await expect(readCluster(file)).rejects.toThrow(`${file} cannot be read`)
      await writeFile(file, 'nodes: [')
      await expect(readCluster(file)).rejects.toThrow(`${file}: `)
      await writeFile(file, GOOD.replace('cores', 'core'))
      await expect(readCluster(file)).rejects.toThrow(`${file}: the cluster is not accepted: nodes[0].core`)
      await writeFile(file, GOOD)
      expect(await readCluster(file)).toEqual(parse(GOOD))
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

test('a typo is told from another word', () => {
  const known = ['name', 'cores', 'memory', 'online']
  const words = ['core', 'memroy', 'onlin', 'Name', 'offline', 'size', 'x']
  expect(words.map(word => nearest(word, known))).toEqual([
    ...['cores', 'memory', 'online', 'name'],
    ...[undefined, undefined, undefined],
  ])
})
