import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterSpec } from '../../pve/core/cluster.mts'
import { startLab, type TestLab } from './client.mts'

const qemu = '/nodes/pve/qemu'

const CLUSTER: ClusterSpec = {
  nodes: [{ name: 'pve', online: true }],
  storages: [
    { id: 'tank', type: 'zfspool', content: ['images'] },
    { id: 'thin', type: 'lvmthin', content: ['images'], size: 1024 ** 3 },
    { id: 'files', type: 'dir', content: ['images'] },
  ],
}

const tooLate = (vmid: number) => `can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`

describe.concurrent('locks, while work takes its time', () => {
  const busy = async (timeScale: number, work: (lab: TestLab) => Promise<void>, lockSecondMs = 1000) => {
    const lab = await startLab({ timeScale, lockSecondMs, cluster: CLUSTER })
    try {
      await work(lab)
    } finally {
      await lab.close()
    }
  }
  const outcome = async (lab: TestLab, upid: string) => {
    await lab.server.admin.settled()
    return lab.server.admin.tasks().find(task => task.upid === upid)!.exitstatus
  }
  const clone = async (lab: TestLab, newid: number): Promise<string> =>
    (await lab.call('POST', `${qemu}/100/clone`, { newid, full: 1 })).data

  test('clones share a source that is stopped', () =>
    busy(0.4, async lab => {
      await lab.task('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
      const [first, second] = await Promise.all([clone(lab, 101), clone(lab, 102)])
      expect([await outcome(lab, first!), await outcome(lab, second!)]).toEqual(['OK', 'OK'])
    }))

  test('a running source is cloned by one at a time; the other waits a second', () =>
    busy(0.6, async lab => {
      await lab.task('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
      await lab.task('POST', `${qemu}/100/status/start`)
      const upids = await Promise.all([clone(lab, 101), clone(lab, 102)])
      const outcomes = [await outcome(lab, upids[0]!), await outcome(lab, upids[1]!)]
      expect(outcomes.toSorted()).toEqual(['OK', tooLate(100)])
    }))

  test('a create takes the id at once; a clone asked for before finds it locked', () =>
    busy(
      2,
      async lab => {
        await lab.task('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
        const upid = await clone(lab, 101)
        expect((await lab.get('/cluster/nextid')).data).toBe('101')
        expect((await lab.call('POST', qemu, { vmid: 101 })).status).toBe(200)
        expect((await lab.get('/cluster/nextid')).data).toBe('102')
        expect(await outcome(lab, upid)).toBe(tooLate(101))
        expect(lab.server.admin.vmids()).toEqual([100, 101])
      },
      250,
    ))

  test('a config change in the request waits ten seconds', () =>
    busy(
      1,
      async lab => {
        await lab.task('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
        await lab.call('POST', `${qemu}/100/move_disk`, { disk: 'scsi0', storage: 'files' })
        const before = performance.now()
        const reply = await lab.call('PUT', `${qemu}/100/config`, { cores: 2 })
        expect(reply).toMatchObject({ status: 500, reason: tooLate(100) })
        const seconds = (performance.now() - before) / 250
        expect(seconds).toBeGreaterThan(9.9)
        expect(seconds).toBeLessThan(15)
      },
      250,
    ))
})

describe('at once', () => {
  let lab: TestLab
  beforeAll(async () => {
    lab = await startLab({ cluster: CLUSTER })
  })
  afterAll(() => lab.close())
  beforeEach(() => lab.server.reset())
  const create = (more: Record<string, unknown>) =>
    lab.task('POST', qemu, { vmid: 100, name: 'base', ...more })
  const act = (what: string, body = {}, vmid = 100) => lab.task('POST', `${qemu}/${vmid}/${what}`, body)
  const config = async (vmid = 100) => (await lab.get(`${qemu}/${vmid}/config`)).data
  const volids = async (storage: string) =>
    (await lab.get(`/nodes/pve/storage/${storage}/content`)).data
      .map((entry: { volid: string }) => entry.volid)
      .sort()

  test('the digest is the SHA-1 of the raw config', async () => {
    await create({ cores: 2, tags: 'web' })
    const raw = Object.entries(lab.server.admin.vmConfig(100)!).sort(([a], [b]) => (a < b ? -1 : 1))
    const text = raw.map(([key, value]) => `${key}: ${value}\n`).join('')
    expect((await config()).digest).toBe(createHash('sha1').update(text).digest('hex'))
  })

  test('a digest of before refuses resizing and moving as well', async () => {
    await create({ scsi0: 'tank:1' })
    const { digest } = await config()
    await lab.call('PUT', `${qemu}/100/config`, { cores: 2 })
    const stale = 'checksum mismatch (file change by other user?)'
    const resize = { disk: 'scsi0', size: '2G', digest }
    expect(await lab.task('PUT', `${qemu}/100/resize`, resize)).toBe(stale)
    const move = { disk: 'scsi0', storage: 'files', digest }
    expect((await lab.call('POST', `${qemu}/100/move_disk`, move)).reason).toBe(
      'detected modified configuration - file changed by other user? Try again.',
    )
  })

  test('a worker that fails has been a 200 with a UPID', async () => {
    await create({ scsi0: 'tank:1' })
    await act('template')
    const reply = await lab.call('POST', `${qemu}/100/status/start`)
    expect(reply).toMatchObject({ status: 200, data: expect.stringMatching(/^UPID:pve:.*:qmstart:100:/) })
    const status = (await lab.get(`/nodes/pve/tasks/${encodeURIComponent(reply.data)}/status`)).data
    expect(status.exitstatus).toBe("you can't start a vm if it's a template")
  })

  test('a clone without a name is called after its source, or its number', async () => {
    await create({ scsi0: 'tank:1' })
    await act('clone', { newid: 101 })
    expect((await config(101)).name).toBe('Copy-of-VM-base')
    await lab.call('PUT', `${qemu}/100/config`, { delete: 'name' })
    await act('clone', { newid: 102 })
    expect((await config(102)).name).toBe('Copy-of-VM-100')
  })

  test.each([
    ['tank', 'tank:base-100-disk-0/vm-101-disk-0'],
    ['files', 'files:100/base-100-disk-0.raw/101/vm-101-disk-0.qcow2'],
  ])('a linked clone on %s names its base, which stays while it is needed', async (storage, volid) => {
    await create({ scsi0: `${storage}:1` })
    await act('template')
    await act('clone', { newid: 101 })
    expect((await config(101)).scsi0).toBe(`${volid},size=1G`)
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe(
      `base volume '${(await config()).scsi0.split(',')[0]}' is still in use by linked cloned`,
    )
    expect(await lab.task('DELETE', `${qemu}/101`)).toBe('OK')
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe('OK')
  })

  test('a linked clone on LVM-thin does not, and lives on without its base', async () => {
    await create({ scsi0: 'thin:1' })
    await act('template')
    await act('clone', { newid: 101 })
    expect((await config(101)).scsi0).toBe('thin:vm-101-disk-0,size=1G')
    expect(await lab.task('DELETE', `${qemu}/100`)).toBe('OK')
    expect(await act('status/start', {}, 101)).toBe('OK')
    await act('status/stop', {}, 101)
    await act('clone', { newid: 102, full: 1 }, 101)
    expect(await volids('thin')).toEqual(['thin:vm-101-disk-0', 'thin:vm-102-disk-0'])
  })

  test('protection keeps the drives too, also those that left their slot', async () => {
    await create({ scsi0: 'tank:1', scsi1: 'tank:1' })
    await lab.call('PUT', `${qemu}/100/config`, { delete: 'scsi1' })
    await lab.call('PUT', `${qemu}/100/config`, { protection: 1 })
    const remove = async (key: string) =>
      (await lab.call('PUT', `${qemu}/100/config`, { delete: key })).reason
    expect(await remove('scsi0')).toBe("can't remove drive 'scsi0' - protection mode enabled")
    expect(await remove('unused0')).toBe(
      "can't remove unused disk 'tank:vm-100-disk-1' - protection mode enabled",
    )
    expect(await remove('scsi7')).toBe('OK')
    expect(await volids('tank')).toEqual(['tank:vm-100-disk-0', 'tank:vm-100-disk-1'])
  })
})
