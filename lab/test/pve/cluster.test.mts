import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterSpec } from '../../pve/core/cluster.mts'
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
    const elsewhere = "unable to find configuration file for VM 100 on node 'pve'"
    for (const action of ['stop', 'shutdown'])
      expect(await lab.task('POST', `/nodes/pve/qemu/100/status/${action}`)).toBe(elsewhere)
    for (const action of ['reboot', 'reset', 'suspend', 'resume'])
      expect((await lab.call('POST', `/nodes/pve/qemu/100/status/${action}`)).reason).toBe(elsewhere)
    expect(await lab.task('POST', '/nodes/pve/qemu/100/status/start')).toBe(
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
    expect((await lab.get(`/nodes/pve/tasks/${upid}/status`)).errors).toEqual({ upid: 'no such task' })
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
      reason:
        "hostname lookup 'none' failed - failed to get address info for: none: Name or service not known",
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

describe('the whole cluster', () => {
  const resources = async (type: string) => (await lab.get(`/cluster/resources?type=${type}`)).data

  test('lists its nodes with their size, and only the name of one that is off', async () => {
    const [first, second, third] = (await lab.get('/nodes')).data
    expect(first).toMatchObject({ node: 'pve', status: 'online', maxcpu: 8, maxmem: 32 * GIB })
    expect(second).toMatchObject({ node: 'pve2', status: 'online', maxcpu: 4, maxmem: 16 * GIB })
    expect(third).toMatchObject({ id: 'node/pve3', type: 'node', node: 'pve3', status: 'offline' })
    expect(third).not.toHaveProperty('maxmem')
    expect(await resources('node')).toMatchObject([{ node: 'pve' }, { node: 'pve2' }, { node: 'pve3' }])
    expect((await lab.get('/nodes/pve2/status')).data).toMatchObject({
      cpuinfo: { cpus: 4 },
      memory: { total: 16 * GIB },
    })
  })

  test('says who is in it and who is there', async () => {
    const [cluster, ...nodes] = (await lab.get('/cluster/status')).data
    expect(cluster).toMatchObject({ type: 'cluster', nodes: 3, quorate: 1 })
    expect(
      nodes.map(({ name, nodeid, local, online }: Record<string, unknown>) => [name, nodeid, local, online]),
    ).toEqual([
      ['pve', 1, 1, 1],
      ['pve2', 2, 0, 1],
      ['pve3', 3, 0, 0],
    ])
  })

  test('has each VM with its node, and each storage once for every node that has it', async () => {
    await create('pve', 100)
    await create('pve2', 101)
    expect(await resources('vm')).toMatchObject([
      { vmid: 100, node: 'pve', status: 'stopped' },
      { vmid: 101, node: 'pve2', status: 'stopped' },
    ])
    const ids = (await resources('storage')).map((entry: { id: string }) => entry.id)
    expect(ids.filter((id: string) => /nas|only2/.test(id))).toEqual([
      'storage/pve/nas',
      'storage/pve2/nas',
      'storage/pve3/nas',
      'storage/pve2/only2',
    ])
    const nas = (await resources('storage')).filter((entry: { storage: string }) => entry.storage === 'nas')
    expect(nas).toMatchObject([
      { shared: 1, status: 'available', maxdisk: 10 * GIB },
      { shared: 1, status: 'available' },
      { shared: 1, status: 'unknown' },
    ])
  })

  test('has pools over all nodes', async () => {
    await create('pve', 100)
    await create('pve2', 101)
    await lab.call('POST', '/pools', { poolid: 'all' })
    await lab.call('PUT', '/pools/all', { vms: '100,101', storage: 'only2' })
    const { members } = (await lab.get('/pools/all')).data
    expect(members.map(({ id, node }: Record<string, unknown>) => [id, node])).toEqual([
      ['qemu/100', 'pve'],
      ['qemu/101', 'pve2'],
      ['storage/pve2/only2', 'pve2'],
    ])
    expect((await lab.get('/cluster/resources')).data).toContainEqual({
      id: '/pool/all',
      type: 'pool',
      pool: 'all',
    })
  })

  test('shows what running VMs leave of the memory of their node', async () => {
    await create('pve2', 100, { memory: 4096 })
    const free = async (node: string) => (await lab.get(`/nodes/${node}/status`)).data.memory.free
    const before = [await free('pve'), await free('pve2')]
    await lab.task('POST', '/nodes/pve2/qemu/100/status/start')
    expect([await free('pve'), await free('pve2')]).toEqual([before[0], before[1] - 4 * GIB])
    expect((await resources('node'))[1].mem).toBe(16 * GIB - (before[1] - 4 * GIB))
    await lab.task('POST', '/nodes/pve2/qemu/100/status/stop')
    expect(await free('pve2')).toBe(before[1])
  })

  test('lets no VM have more CPUs than its node', async () => {
    await create('pve2', 100, { cores: 8 })
    await create('pve', 101, { cores: 8 })
    expect(await lab.task('POST', '/nodes/pve2/qemu/100/status/start')).toBe(
      'MAX 4 vcpus allowed per VM on this node',
    )
    expect(await lab.task('POST', '/nodes/pve/qemu/101/status/start')).toBe('OK')
  })
})

describe('the state', () => {
  const restart = async (cluster: ClusterSpec | undefined) => {
    await lab.server.close()
    return startLab({ dataDir: lab.dataDir, cluster })
  }

  test('remembers the cluster; sizes and who is online may change', async () => {
    await create('pve2', 100, { scsi0: 'nas:1' })
    lab = await restart(undefined)
    expect(await vmids('pve2')).toEqual([100])
    const nodes = CLUSTER.nodes.map(node => (node.name === 'pve2' ? { ...node, online: false } : node))
    lab = await restart({ ...CLUSTER, nodes })
    expect((await lab.get('/nodes/pve2/qemu')).status).toBe(595)
    expect((await lab.get('/cluster/resources?type=vm')).data).toEqual([
      { id: 'qemu/100', type: 'qemu', vmid: 100, node: 'pve2', status: 'unknown' },
    ])
    lab = await restart(CLUSTER)
    expect(await vmids('pve2')).toEqual([100])
  })

  test('of another cluster is refused, and left alone', async () => {
    await create('pve2', 100)
    const other = { ...CLUSTER, nodes: CLUSTER.nodes.slice(0, 1) }
    await lab.server.close()
    await expect(startLab({ dataDir: lab.dataDir, cluster: other })).rejects.toThrow(
      `the state in ${lab.dataDir} belongs to another cluster: it has nodes pve, pve2, pve3; storages local, tank, nas, only2; wanted are nodes pve; storages local, tank, nas, only2`,
    )
    const shared = CLUSTER.storages.map(storage =>
      storage.id === 'local' ? { ...storage, shared: true } : storage,
    )
    await expect(
      startLab({ dataDir: lab.dataDir, cluster: { ...CLUSTER, storages: shared } }),
    ).rejects.toThrow('belongs to another cluster')
    lab = await startLab({ dataDir: lab.dataDir })
    expect(await vmids('pve2')).toEqual([100])
  })

  test('a reset keeps the cluster', async () => {
    await lab.server.reset()
    expect((await lab.get('/nodes')).data).toHaveLength(3)
  })
})
