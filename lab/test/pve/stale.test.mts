/** `/cluster/resources`, `/nodes` and pools have what the nodes sent last. When they send: `../unit/broadcast.test.mts`. */

import { afterEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
afterEach(() => lab.close())

interface Entry {
  vmid: number
  name?: string
  status: string
  template?: number
  tags?: string
}

const ask = async (path: string): Promise<Entry[]> => (await lab.get(path)).data
const resources = () => ask('/cluster/resources?type=vm')

/** Starts a lab that has a VM 100, and sends nothing for a minute. */
async function startWith(name: string): Promise<void> {
  lab = await startLab()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name })
  await lab.server.close()
  lab = await startLab({ dataDir: lab.dataDir, staleSeconds: 60 })
}

describe('after a change', () => {
  test('a new VM has no name and no status, but its tags and its lock; its node knows it at once', async () => {
    lab = await startLab({ staleSeconds: 60 })
    const vm = { vmid: 100, name: 'new', tags: 'a;b', lock: 'backup' }
    await lab.task('POST', '/nodes/pve/qemu', vm, await lab.rootTicket())
    const place = { id: 'qemu/100', type: 'qemu', node: 'pve', vmid: 100 }
    const unknown = { ...place, status: 'unknown', tags: 'a;b', lock: 'backup' }
    expect(await resources()).toEqual([unknown])
    expect(await ask('/nodes/pve/qemu')).toMatchObject([{ vmid: 100, name: 'new', status: 'stopped' }])
  })

  test('a VMID that is used again shows the deleted VM', async () => {
    await startWith('old')
    await lab.task('DELETE', '/nodes/pve/qemu/100')
    expect(await resources()).toEqual([])
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, name: 'new', tags: 'x' })
    expect(await resources()).toMatchObject([{ name: 'old', tags: 'x' }])
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
  await startWith('kept')
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
