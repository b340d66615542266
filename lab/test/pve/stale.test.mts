/** `/cluster/resources` has what the nodes sent last, and each API worker a copy of its own. */

import { readFileSync } from 'node:fs'
import { Agent, get } from 'node:https'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { rootHeaders, startLab, type TestLab } from './client.mts'

let lab: TestLab
afterEach(() => lab.close())

interface Entry {
  vmid: number
  name?: string
  status: string
  template?: number
  tags?: string
}

/** Asks on the connection of an agent, or on a new one. */
function ask(path: string, agent: Agent | false = false): Promise<Entry[]> {
  const { url, caFile } = lab.server
  return new Promise((resolve, reject) => {
    get(`${url}${path}`, { agent, ca: readFileSync(caFile), headers: rootHeaders }, response =>
      json(response).then(body => resolve((body as { data: Entry[] }).data), reject),
    ).on('error', reject)
  })
}

const resources = (agent?: Agent) => ask('/cluster/resources?type=vm', agent)

const known = (name: string) => async () => {
  const entries = await Promise.all(Array.from({ length: 6 }, () => resources()))
  expect(entries.map(([vm]) => vm?.name)).toEqual(Array(6).fill(name))
}

const SOON = { timeout: 5000, interval: 50 }

describe('after a change', () => {
  test('a new VM has no name and no status, but its tags and its lock; its node knows it at once', async () => {
    lab = await startLab({ staleSeconds: 1 })
    const vm = { vmid: 100, name: 'new', tags: 'a;b', lock: 'backup' }
    await lab.task('POST', '/nodes/pve/qemu', vm, await lab.rootTicket())
    const place = { id: 'qemu/100', type: 'qemu', node: 'pve', vmid: 100 }
    const unknown = { ...place, status: 'unknown', tags: 'a;b', lock: 'backup' }
    expect(await resources()).toEqual([unknown])
    expect(await ask('/nodes/pve/qemu')).toMatchObject([{ vmid: 100, name: 'new', status: 'stopped' }])
    await expect
      .poll(async () => (await resources())[0], SOON)
      .toMatchObject({ name: 'new', status: 'stopped' })
  })

  test('name and template flag flap from worker to worker', async () => {
    lab = await startLab({ staleSeconds: 3 })
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'before' })
    await expect.poll(known('before'), SOON).toBeUndefined()
    const agents = Array.from({ length: 3 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    // Each worker takes its copy at another time.
    for (const agent of agents) {
      await resources(agent)
      await sleep(200)
    }
    const rounds: Set<string>[] = []
    const rounded = (async () => {
      for (;;) {
        const seen = await Promise.all(agents.map(agent => resources(agent)))
        const round = new Set(seen.map(([vm]) => `${vm!.name} ${vm!.template}`))
        rounds.push(round)
        if (round.size === 1 && round.has('after 1')) return
      }
    })()
    await lab.task('POST', '/nodes/pve/qemu/100/template')
    await lab.call('PUT', '/nodes/pve/qemu/100/config', { name: 'after' })
    await rounded
    expect([...rounds[0]!]).toEqual(['before 0'])
    expect(rounds.some(round => round.size > 1)).toBe(true)
    for (const agent of agents) agent.destroy()
  })

  test('a VMID that is used again shows the deleted VM', async () => {
    lab = await startLab({ staleSeconds: 1 })
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'old' })
    await expect.poll(known('old'), SOON).toBeUndefined()
    await lab.task('DELETE', '/nodes/pve/qemu/100')
    expect(await resources()).toEqual([])
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'new', tags: 'x' })
    expect(await resources()).toMatchObject([{ name: 'old', tags: 'x' }])
    await expect.poll(known('new'), SOON).toBeUndefined()
  })

  test('pools and the load of nodes are as old', async () => {
    lab = await startLab({ staleSeconds: 60 })
    await lab.call('POST', '/pools', { poolid: 'p' })
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'new', pool: 'p' })
    const { members } = (await lab.get('/pools/p')).data
    expect(members).toEqual([{ id: 'qemu/100', type: 'qemu', node: 'pve', vmid: 100, status: 'unknown' }])
    expect((await lab.get('/nodes')).data).toMatchObject([{ node: 'pve', status: 'online' }])
  })
})

test('what the state had at the start is known at once', async () => {
  lab = await startLab()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'kept' })
  await lab.server.close()
  lab = await startLab({ dataDir: lab.dataDir, staleSeconds: 60 })
  expect(await resources()).toMatchObject([{ name: 'kept', status: 'stopped' }])
})

test('a reset forgets what was sent', async () => {
  lab = await startLab({ staleSeconds: 60 })
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'old' })
  await lab.server.reset()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'new' })
  expect((await resources())[0]).not.toHaveProperty('name')
})

test('without waiting tasks nothing is stale by default', async () => {
  lab = await startLab()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'new' })
  expect(await resources()).toMatchObject([{ name: 'new', status: 'stopped', template: 0 }])
})
