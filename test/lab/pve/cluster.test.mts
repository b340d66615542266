import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterSpec } from '../../../lab/pve/cluster.mts'
import { startLab, type TestLab } from './client.mts'

const GIB = 1024 ** 3

/** Two nodes and one that is off; disks on a pool of each node, or shared. */
const CLUSTER: ClusterSpec = {
  nodes: [
    { name: 'pve', online: true, cores: 8, memory: 32 * GIB },
    { name: 'pve2', online: true, cores: 4, memory: 16 * GIB },
    { name: 'pve3', online: false },
  ],
  storages: [
    { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
    { id: 'tank', type: 'zfspool', content: ['images'], size: 100 * GIB },
    { id: 'nas', type: 'nfs', content: ['images', 'iso'], shared: true, size: 10 * GIB },
    { id: 'only2', type: 'lvmthin', content: ['images'], nodes: ['pve2'], size: 2 * GIB },
  ],
}

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({ cluster: CLUSTER })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const create = (node: string, vmid: number, more: Record<string, unknown> = {}) =>
  lab.task('POST', `/nodes/${node}/qemu`, { vmid, name: `vm${vmid}`, memory: 1024, cores: 2, ...more })
const vmids = async (node: string) =>
  (await lab.get(`/nodes/${node}/qemu`)).data.map((vm: { vmid: number }) => vm.vmid)

describe('a VM', () => {
  test('is on one node, and not there for the others', async () => {
    await create('pve2', 100, { scsi0: 'tank:1' })
    await create('pve', 101)
    expect([await vmids('pve'), await vmids('pve2')]).toEqual([[101], [100]])
    expect((await lab.get('/nodes/pve2/qemu/100/config')).data.name).toBe('vm100')
    expect(await lab.get('/nodes/pve/qemu/100/config')).toMatchObject({
      status: 500,
      reason: "Configuration file 'nodes/pve/qemu-server/100.conf' does not exist",
    })
    for (const action of ['start', 'stop', 'shutdown'])
      expect((await lab.call('POST', `/nodes/pve/qemu/100/status/${action}`)).reason).toBe(
        "Configuration file 'nodes/pve/qemu-server/100.conf' does not exist",
      )
  })

  test('has its id in the whole cluster', async () => {
    await create('pve2', 100)
    expect((await lab.call('POST', '/nodes/pve/qemu', { vmid: 100 })).reason).toBe(
      "unable to create VM 100 - VM 100 already exists on node 'pve2'",
    )
    expect((await lab.get('/cluster/nextid')).data).toBe('101')
  })

  test('runs there: its tasks have the node in their ids', async () => {
    await create('pve2', 100)
    const upid = (await lab.call('POST', '/nodes/pve2/qemu/100/status/start')).data
    expect(upid).toMatch(/^UPID:pve2:/)
    expect((await lab.get(`/nodes/pve2/tasks/${upid}/status`)).data).toMatchObject({
      node: 'pve2',
      exitstatus: 'OK',
    })
    expect((await lab.get(`/nodes/pve/tasks/${upid}/status`)).reason).toBe('no such task')
    const types = async (node: string) =>
      (await lab.get(`/nodes/${node}/tasks`)).data.map((task: { type: string }) => task.type)
    expect([await types('pve'), await types('pve2')]).toEqual([[], ['qmstart', 'qmcreate']])
    expect((await lab.get('/cluster/tasks')).data).toHaveLength(2)
  })
})

describe('a node', () => {
  test('that is not in the cluster cannot be looked up', async () => {
    expect(await lab.get('/nodes/none/qemu')).toMatchObject({
      status: 500,
      reason: "hostname lookup 'none' failed - failed to get address info: none: Name or service not known",
    })
  })

  test('that is off cannot be reached: 595 and no body', async () => {
    expect(await lab.get('/nodes/pve3/status')).toMatchObject({
      status: 595,
      reason: 'No route to host',
      body: '',
    })
  })

  test('is looked for once the caller may do what it asks', async () => {
    const nobody = { username: 'nobody@pve', password: 'x' }
    await lab.call('POST', '/access/users', { userid: 'nobody@pve', password: 'nobody-1' })
    const { ticket } = (await lab.call('POST', '/access/ticket', { ...nobody, password: 'nobody-1' }, {}))
      .data
    const headers = { cookie: `PVEAuthCookie=${encodeURIComponent(ticket)}` }
    expect((await lab.get('/nodes/pve3/status', headers)).status).toBe(403)
    expect((await lab.get('/nodes/none/status', headers)).status).toBe(403)
  })

  test('named localhost is the one that serves the API', async () => {
    await create('pve', 100)
    expect(await vmids('localhost')).toEqual([100])
  })
})
