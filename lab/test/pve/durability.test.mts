/** kill -9 at any moment: what was answered is there, what ran is ended, and one server has the state at a time. */

import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startLab } from './client.mts'
import type { Api } from './durability/api.mts'
import { createMemory, type Value } from './durability/memory.mts'
import { type Mortal, startAndKill, startMortal } from './durability/mortal.mts'
import { qemu, TEMPLATE, work } from './durability/workload.mts'

let dataDir: string
const alive: Mortal[] = []
async function start(timeScale = 0): Promise<Mortal> {
  const server = await startMortal(dataDir, timeScale)
  alive.push(server)
  return server
}
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pve-mortal-'))
})
afterEach(async () => {
  for (const server of alive.splice(0)) await server.kill()
  await rm(dataDir, { recursive: true, force: true })
})

interface TaskStatus {
  status: string
  exitstatus: string
}

const taskStatus = (client: Api, upid: string) =>
  client.request<TaskStatus>('GET', `/nodes/pve/tasks/${encodeURIComponent(upid)}/status`)

async function finish(client: Api, upid: string): Promise<string> {
  const task = await taskStatus(client, upid)
  if (task.status === 'stopped') return task.exitstatus
  await sleep(20)
  return finish(client, upid)
}

async function makeTemplate({ client }: Mortal) {
  const create = await client.request<string>('POST', qemu, { vmid: TEMPLATE, name: 'base', scsi0: 'tank:1' })
  expect(await finish(client, create)).toBe('OK')
  expect(await finish(client, await client.request('POST', `${qemu}/${TEMPLATE}/template`))).toBe('OK')
}

type Config = Record<string, string>
const configOf = (client: Api, vmid: number) => client.request<Config>('GET', `${qemu}/${vmid}/config`)

/** Pools and VMs as they are, in the words of the workload. */
async function actualState(client: Api): Promise<Map<string, Value>> {
  const state = new Map<string, Value>()
  for (const { poolid } of await client.request<{ poolid: string }[]>('GET', '/pools'))
    state.set(`pool ${poolid}`, 'yes')
  for (const { vmid } of await client.request<{ vmid: number }[]>('GET', qemu)) {
    const { lock, description } = await configOf(client, vmid)
    if (vmid !== TEMPLATE) state.set(`vm ${vmid}`, lock ?? description ?? 'there')
  }
  return state
}

/** Disks that a VM's config names and that are not there, neither for the API nor on disk. */
async function missingDisks(client: Api): Promise<string[]> {
  const content = await client.request<{ volid: string }[]>('GET', '/nodes/pve/storage/tank/content')
  const volids = new Set(content.map(({ volid }) => volid))
  const files = new Set(await readdir(join(dataDir, 'storage', 'tank')))
  const missing: string[] = []
  for (const { vmid } of await client.request<{ vmid: number }[]>('GET', qemu)) {
    const disk = (await configOf(client, vmid))['scsi0']?.split(',')[0]
    if (disk === undefined) continue
    const file = disk.split(/[:/]/).at(-1)!.replace('base-', 'vm-')
    if (!volids.has(disk) || !files.has(file)) missing.push(`${vmid}: ${disk}`)
  }
  return missing
}

function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state / 2 ** 31
  }
}

const ROUNDS = 10
const WORKERS = 5

test(`${ROUNDS} times killed in the midst of mixed requests: all that was acknowledged is there`, async () => {
  const seed = Number(process.env['PROXMINT_TEST_SEED'] ?? Date.now() % 1_000_000)
  const random = randomFrom(seed)
  const memory = createMemory()
  const tasks = new Map<string, string | undefined>()
  const where = `seed ${seed}: PROXMINT_TEST_SEED=${seed} repeats it`
  const first = await start()
  await makeTemplate(first)
  await first.kill()
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 4 === 3) await startAndKill(dataDir, random() * 1000)
    const server = await start(0.02)
    const { client } = server
    for (const [upid, exit] of tasks) {
      const after = await taskStatus(client, upid)
      expect(after.status, `${where}, ${upid}`).toBe('stopped')
      if (exit !== undefined) expect(after.exitstatus, `${where}, ${upid}`).toBe(exit)
    }
    expect(memory.check(await actualState(client)), where).toEqual([])
    tasks.clear()
    let isOver = false
    const load = { client, memory, random, tasks }
    const workers = Array.from({ length: WORKERS }, (_, worker) => work(load, worker, () => isOver))
    await Promise.race([Promise.all(workers), sleep(100 + random() * 900)])
    isOver = true
    await server.kill()
    await Promise.all(workers)
    JSON.parse(await readFile(join(dataDir, 'state.json'), 'utf8'))
  }
  const { client } = await start()
  expect(memory.check(await actualState(client)), where).toEqual([])
  expect(await client.request('GET', '/nodes/pve/tasks', { source: 'active' })).toEqual([])
}, 300_000)

test('disks that VMs name are there after a kill, and a clone goes on from them', async () => {
  const server = await start()
  await makeTemplate(server)
  for (const newid of [101, 102, 103])
    await server.client.request<string>('POST', `${qemu}/${TEMPLATE}/clone`, { newid, full: true })
  await server.kill()
  const { client } = await start()
  expect(await missingDisks(client)).toEqual([])
  const upid = await client.request<string>('POST', `${qemu}/${TEMPLATE}/clone`, { newid: 110 })
  expect(await finish(client, upid)).toBe('OK')
})

describe('what a killed server leaves', () => {
  test('a half-made clone keeps its lock and its id, as after a power failure; root removes it', async () => {
    const server = await start()
    await makeTemplate(server)
    await server.kill()
    const slow = await start(1)
    const upid = await slow.client.request<string>('POST', `${qemu}/${TEMPLATE}/clone`, {
      newid: 101,
      full: true,
    })
    await expect.poll(() => configOf(slow.client, 101), { timeout: 10_000 }).toMatchObject({ lock: 'clone' })
    // Something that is answered meanwhile makes the half clone durable.
    await slow.client.request('POST', '/pools', { poolid: 'meanwhile' })
    await slow.kill()

    const { client, root } = await start()
    expect(await taskStatus(client, upid)).toMatchObject({
      status: 'stopped',
      exitstatus: 'unexpected status',
    })
    const listed = (filter: Record<string, string>) =>
      client
        .request<{ upid: string }[]>('GET', '/nodes/pve/tasks', filter)
        .then(tasks => tasks.some(task => task.upid === upid))
    expect(await listed({ statusfilter: 'unknown' })).toBe(true)
    expect(await listed({ statusfilter: 'error' })).toBe(false)
    expect(await listed({ errors: '1' })).toBe(true)
    expect(await configOf(client, 101)).toMatchObject({ lock: 'clone' })
    const starting = await client.request<string>('POST', `${qemu}/101/status/start`)
    expect(await finish(client, starting)).toBe('VM is locked (clone)')
    await expect(client.request('GET', '/cluster/nextid', { vmid: 101 })).rejects.toThrow('400')
    expect(await finish(client, await client.request('DELETE', `${qemu}/101`))).toBe('VM is locked (clone)')
    const removal = await root.request<string>('DELETE', `${qemu}/101`, { skiplock: true })
    expect(await finish(client, removal)).toBe('OK')
    const content = await client.request<{ vmid: number }[]>('GET', '/nodes/pve/storage/tank/content')
    expect(content.map(({ vmid }) => vmid)).toEqual([TEMPLATE])
  })

  test('running guests are stopped, and start again', async () => {
    const server = await start()
    await makeTemplate(server)
    const clone = await server.client.request<string>('POST', `${qemu}/${TEMPLATE}/clone`, { newid: 101 })
    expect(await finish(server.client, clone)).toBe('OK')
    await finish(server.client, await server.client.request('POST', `${qemu}/101/status/start`))
    await server.kill()
    const { client } = await start()
    const current = await client.request<{ status: string }>('GET', `${qemu}/101/status/current`)
    expect(current.status).toBe('stopped')
    expect(await finish(client, await client.request('POST', `${qemu}/101/status/start`))).toBe('OK')
  })

  test('half files are removed', async () => {
    const server = await start()
    await server.kill()
    const folder = join(dataDir, 'storage', 'local', 'template', 'iso')
    for (const name of ['a.iso.tmp_dwnl.12', 'b.iso.x.tmp_upload', 'c.iso'])
      await writeFile(join(folder, name), 'half')
    await start()
    expect(await readdir(folder)).toEqual(['c.iso'])
  })
})

describe('one server per state', () => {
  const refused = (pid: number) =>
    new RegExp(`^the state in ${dataDir} is in use by process ${pid}, since \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$`)

  test('a second one is refused and told who has it; the first goes on', async () => {
    const server = await start()
    await expect(startMortal(dataDir)).rejects.toMatchObject({
      message: expect.stringMatching(refused(server.pid)),
      hint: 'end that process, or give this one a state folder of its own',
    })
    expect(await server.client.request('GET', '/version')).toBeDefined()
  })

  test('of three at once one gets it', async () => {
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => start()))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('the lock of one that was killed is taken over, by one of three', async () => {
    const server = await start()
    await server.kill()
    await access(join(dataDir, 'lock'))
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => start()))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('one that was closed gives it back', async () => {
    const first = await startLab({ dataDir })
    await expect(startLab({ dataDir })).rejects.toThrow(refused(process.pid))
    await first.server.close()
    const second = await startLab({ dataDir })
    await second.server.close()
  })

  test('a folder with a very long path has a lock too', async () => {
    const long = join(dataDir, 'x'.repeat(120), 'y'.repeat(120))
    const first = await startLab({ dataDir: long })
    await expect(startLab({ dataDir: long })).rejects.toThrow(/is in use by process/)
    await first.close()
  })
})
