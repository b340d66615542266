import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apiOf } from './guests/api.mts'

const PVE_LAB = join(import.meta.dirname, '../pve-lab.mts')

const CLUSTER = `
nodes:
  - name: alpha
  - name: beta
storages:
  - id: local
    type: dir
    content: [iso, snippets, import]
  - id: pool
    type: lvmthin
    content: [images]
    size: 10
`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxmint-cluster-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** `lab up --cluster` with this text in the file. */
async function up(text: string, ...more: string[]) {
  const file = join(folder, 'cluster.yaml')
  await writeFile(file, text)
  const args = [
    'up',
    '--json',
    '--guests',
    'none',
    '--state',
    join(folder, 'state'),
    '--cluster',
    file,
    ...more,
  ]
  return spawn(process.execPath, [PVE_LAB, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function failed(text: string) {
  const child = await up(text)
  let output = ''
  child.stderr.on('data', chunk => {
    output += chunk
  })
  const [code] = await once(child, 'close')
  return { code, output }
}

test('a file with a mistake is a usage error that names file, path and what was meant', async () => {
  const { code, output } = await failed(CLUSTER.replace('storages:', 'storage:'))
  expect(code).toBe(2)
  expect(output).toContain(
    `error: ${join(folder, 'cluster.yaml')}: the cluster is not accepted: storage is not a known key\n`,
  )
  expect(output).toContain('hint: did you mean `storages`? Known: nodes, storages\n')
})

test('the login variables name the first node and its disks; the state keeps to its cluster', async () => {
  const child = await up(CLUSTER)
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const ready = JSON.parse(line)
  expect(ready.tokenEnv).toMatchObject({ PROXMOX_NODE: 'alpha', PROXMOX_STORAGE_POOL: 'pool' })
  const { data } = await apiOf(ready)('GET', '/nodes')
  expect(data.map((node: { node: string }) => node.node)).toEqual(['alpha', 'beta'])
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  const { code, output } = await failed(CLUSTER.replace('  - name: beta\n', ''))
  expect(code).toBe(1)
  expect(output).toMatch(
    /error: the state in .*state.* belongs to another cluster: it has nodes alpha, beta; storages local, pool; wanted are nodes alpha;/,
  )
  expect(output).toContain('give the new cluster its own state folder')
})
