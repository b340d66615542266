/** Every fault as a client sees it, by raw requests. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../pve/core/fault.mts'
import { ROOT_PASSWORD, startLab, type TestLab } from './client.mts'

const qemu = '/nodes/pve/qemu'
let lab: TestLab

beforeAll(async () => {
  lab = await startLab()
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  const hardware = { scsi0: 'tank:1', net0: 'virtio,bridge=vmbr0', agent: 1 }
  await lab.task('POST', qemu, { vmid: 100, name: 'base', ...hardware })
})

const set = (...faults: Fault[]) => lab.server.admin.setFaults(faults)
const counts = () => lab.server.admin.faults().map(({ seen, struck }) => [seen, struck])
const reason = async (method: string, path: string, body = {}) => (await lab.call(method, path, body)).reason
const clone = (newid: number, more = {}) => lab.task('POST', `${qemu}/100/clone`, { newid, ...more })
const setCores = () => reason('PUT', `${qemu}/100/config`, { cores: 2 })

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now()
  await work()
  return (performance.now() - before) / 1000
}

describe('lock-timeout', () => {
  const timeout = (vmid: number) => `can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`

  test('a config change fails in the words of Proxmox, as often as it was said', async () => {
    set({ fault: 'lock-timeout', seconds: 0, times: 2, match: { vmid: 100, method: 'PUT' } })
    expect([await setCores(), await setCores(), await setCores()]).toEqual([timeout(100), timeout(100), 'OK'])
    expect(counts()).toEqual([[3, 2]])
  })

  test('a clone fails in its task, and leaves its id free', async () => {
    set({ fault: 'lock-timeout', match: { vmid: 101, task: 'qmclone' } })
    expect(await secondsOf(async () => expect(await clone(101)).toBe(timeout(101)))).toBeGreaterThan(0.9)
    expect(lab.server.admin.vmids()).toEqual([100])
    expect(await clone(102)).toBe('OK')
  })
})

describe('error', () => {
  test('is the status line and the message; the third request is through', async () => {
    set({ fault: 'error', status: 503, times: 2, match: { path: '/version' } })
    expect(await lab.get('/version')).toMatchObject({ status: 503, message: 'Service Unavailable\n' })
    expect(await lab.get('/cluster/nextid')).toMatchObject({ status: 200 })
    expect([await reason('GET', '/version'), await reason('GET', '/version')]).toEqual([
      'Service Unavailable',
      'OK',
    ])
  })

  test('after the operation was done, which only a look tells', async () => {
    const poolIds = async () => (await lab.get('/pools')).data.map((pool: { poolid: string }) => pool.poolid)
    const match = { method: 'POST', path: '/pools' } as const
    set({ fault: 'error', when: 'before', match })
    expect((await lab.call('POST', '/pools', { poolid: 'p1' })).status).toBe(500)
    expect(await poolIds()).toEqual([])
    set({ fault: 'error', when: 'after', match })
    expect((await lab.call('POST', '/pools', { poolid: 'p1' })).status).toBe(500)
    expect(await poolIds()).toEqual(['p1'])
  })

  test('one in three, the same ones in every run', async () => {
    const run = async () => {
      set({ fault: 'error', probability: 1 / 3, seed: 42 })
      const statuses: number[] = []
      for (let index = 0; index < 60; index++) statuses.push((await lab.get('/version')).status)
      return statuses
    }
    const first = await run()
    expect(await run()).toEqual(first)
    const failed = first.filter(status => status === 500).length
    expect(failed).toBeGreaterThan(10)
    expect(failed).toBeLessThan(30)
  })

  test('begins after so many occasions', async () => {
    set({ fault: 'error', after: 2, times: 1, match: { path: '/version' } })
    const statuses = [1, 2, 3, 4].map(() => lab.get('/version'))
    expect((await Promise.all(statuses)).map(({ status }) => status).sort()).toEqual([200, 200, 200, 500])
  })
})

describe('connection-reset', () => {
  test('a client gets a reset and no answer', async () => {
    set({ fault: 'connection-reset', times: 1, match: { path: '/nodes/*/qemu/**' } })
    await expect(lab.get(`${qemu}/100/status/current`)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect((await lab.get(`${qemu}/100/status/current`)).status).toBe(200)
  })

  test('a clone whose UPID never arrived is made nevertheless', async () => {
    set({ fault: 'connection-reset', when: 'after', match: { path: '/nodes/*/qemu/*/clone' } })
    await expect(lab.call('POST', `${qemu}/100/clone`, { newid: 101 })).rejects.toThrow()
    await lab.server.admin.settled()
    expect(lab.server.admin.vmids()).toEqual([100, 101])
  })
})

describe('expired-ticket', () => {
  test('a ticket stops to hold, cannot renew itself, and the password gives another', async () => {
    const headers = await lab.rootTicket()
    set({ fault: 'expired-ticket', after: 1, times: 2 })
    const login = (password: string) =>
      lab.call('POST', '/access/ticket', { username: 'root@pam', password }, {})
    expect((await lab.get('/version', headers)).status).toBe(200)
    expect(await lab.get('/version', headers)).toMatchObject({
      status: 401,
      reason: 'Authentication failed!',
    })
    const ticket = decodeURIComponent(headers['cookie']!.slice('PVEAuthCookie='.length))
    expect((await login(ticket)).status).toBe(401)
    expect((await login(ROOT_PASSWORD)).status).toBe(200)
    expect((await lab.get('/version')).status).toBe(200)
  })
})

describe('slow-task', () => {
  test('a task runs that much longer, and another kind does not', async () => {
    set({ fault: 'slow-task', seconds: 1.5, match: { task: 'qmclone', vmid: 101 } })
    expect(await secondsOf(() => clone(101))).toBeGreaterThan(1.4)
    expect(counts()).toEqual([[1, 1]])
    await clone(102)
    expect(counts()).toEqual([[1, 1]])
  })
})

describe('failing-task', () => {
  test('a clone breaks off at 40 %, and what it had made is gone', async () => {
    const message = 'copy failed: Input/output error'
    set({ fault: 'failing-task', percent: 40, message, match: { task: 'qmclone' } })
    expect(await clone(101)).toBe(`clone failed: ${message}`)
    expect(lab.server.admin.vmids()).toEqual([100])
    expect(lab.server.admin.tasks().at(-1)!.log).toContain('transferred 40.0 MiB of 100.0 MiB (40.00%)')
    expect((await lab.get('/nodes/pve/storage/tank/content')).data).toHaveLength(1)
  })

  test('while it stands still it holds its target', async () => {
    set({ fault: 'failing-task', seconds: 1, match: { task: 'qmclone' } })
    await lab.call('POST', `${qemu}/100/clone`, { newid: 101 })
    expect(lab.server.admin.vmConfig(101)).toEqual({ lock: 'clone' })
    await lab.server.admin.settled()
    expect(lab.server.admin.vmids()).toEqual([100])
  })

  test.each([
    ['qmstart', 'POST', `${qemu}/100/status/start`, { status: 'stopped' }],
    ['qmconfig', 'POST', `${qemu}/100/config`, {}],
    ['qmtemplate', 'POST', `${qemu}/100/template`, { status: 'stopped' }],
  ])('a %s fails with the text', async (task, method, path, then) => {
    set({ fault: 'failing-task', message: 'no luck', match: { task } })
    expect(await lab.task(method, path, task === 'qmconfig' ? { cores: 4 } : {})).toBe('no luck')
    expect((await lab.get(`${qemu}/100/status/current`)).data).toMatchObject(then)
  })
})

test('a task that stands still is stopped at once, and keeps no server from closing', async () => {
  const own = await startLab({
    faults: [{ fault: 'failing-task', seconds: 600, match: { task: 'qmcreate' } }],
  })
  const create = (vmid: number) => own.call('POST', qemu, { vmid, scsi0: 'tank:1' })
  const { data: upid } = await create(100)
  await own.call('DELETE', `/nodes/pve/tasks/${encodeURIComponent(upid)}`)
  await own.server.admin.settled()
  expect(own.server.admin.tasks()[0]!.exitstatus).toBe('interrupted by signal')
  expect(own.server.admin.vmids()).toEqual([])
  await create(101)
  expect(await secondsOf(() => own.close())).toBeLessThan(60)
})

describe('the guest agent', () => {
  const interfaces = () => lab.get(`${qemu}/100/agent/network-get-interfaces`)
  beforeEach(() => lab.task('POST', `${qemu}/100/status/start`))

  test('silent-agent: Proxmox waits for it, and gives up', async () => {
    set({ fault: 'silent-agent', seconds: 0.5, match: { vmid: 100 } })
    const seconds = await secondsOf(async () => {
      expect(await interfaces()).toMatchObject({ status: 500, reason: 'QEMU guest agent is not running' })
    })
    expect(seconds).toBeGreaterThan(0.4)
    expect((await lab.call('POST', `${qemu}/100/agent/ping`)).status).toBe(500)
  })

  test('docker0-first: a bridge stands in front of the guest’s own card', async () => {
    const names = async () => (await interfaces()).data.result.map(({ name }: { name: string }) => name)
    const before = await names()
    set({ fault: 'docker0-first', address: '172.18.0.1' })
    expect(await names()).toEqual(['docker0', ...before])
    expect((await interfaces()).data.result[0]['ip-addresses']).toEqual([
      { 'ip-address-type': 'ipv4', 'ip-address': '172.18.0.1', prefix: 16 },
    ])
  })
})

describe('disk-full', () => {
  const full = (disk: string) => `zfs error: cannot create 'tank/${disk}': out of space`

  test('no disk can be made, copied or grown; what there is stays', async () => {
    set({ fault: 'disk-full', match: { storage: 'tank' } })
    expect(await lab.task('POST', qemu, { vmid: 101, scsi0: 'tank:1' })).toBe(
      `unable to create VM 101 - ${full('vm-101-disk-0')}`,
    )
    expect(await clone(101)).toBe(`clone failed: ${full('vm-101-disk-0')}`)
    expect(await lab.task('PUT', `${qemu}/100/resize`, { disk: 'scsi0', size: '+1G' })).toBe(
      full('vm-100-disk-0'),
    )
    expect(lab.server.admin.vmids()).toEqual([100])
    expect(lab.server.admin.vmConfig(100)!['scsi0']).toContain('size=1G')
  })

  test('another storage is not', async () => {
    set({ fault: 'disk-full', match: { storage: 'local' } })
    expect(await clone(101)).toBe('OK')
  })

  test('an upload does not fit', async () => {
    set({ fault: 'disk-full', match: { storage: 'local' } })
    const form = new FormData()
    form.set('content', 'iso')
    form.set('filename', new Blob(['x']), 'small.iso')
    const { headers, body } = await encodeForm(form)
    const { data } = await lab.call('POST', '/nodes/pve/storage/local/upload', body, {
      ...lab.rootHeaders,
      ...headers,
    })
    await lab.server.admin.settled()
    const task = lab.server.admin.tasks().find(({ upid }) => upid === data)
    expect(task!.exitstatus).toMatch(/^error writing '.*small\.iso': No space left on device$/)
    expect((await lab.get('/nodes/pve/storage/local/content')).data).toEqual([])
  })
})

async function encodeForm(form: FormData) {
  const response = new Response(form)
  return {
    headers: { 'content-type': response.headers.get('content-type')! },
    body: Buffer.from(await response.arrayBuffer()),
  }
}

describe('clock-skew', () => {
  const serverTime = async () => Date.parse((await lab.get('/version')).headers['date']!) / 1000

  test('the Date of answers and the times of tasks are wrong', async () => {
    set({ fault: 'clock-skew', seconds: -3600 })
    expect(Math.abs((await serverTime()) - (Date.now() / 1000 - 3600))).toBeLessThan(60)
    await lab.task('POST', `${qemu}/100/status/start`)
    const { starttime } = lab.server.admin.tasks().at(-1)!
    expect(Math.abs(starttime - (Date.now() / 1000 - 3600))).toBeLessThan(60)
  })

  test('a clock three hours ahead lets every ticket expire; a new one holds', async () => {
    const headers = await lab.rootTicket()
    set({ fault: 'clock-skew', seconds: 3 * 3600 })
    expect((await lab.get('/version', headers)).status).toBe(401)
    expect((await lab.get('/version', await lab.rootTicket())).status).toBe(200)
  })

  test('a clock that is set right makes tickets of the future, which are refused', async () => {
    set({ fault: 'clock-skew', seconds: 3600 })
    const headers = await lab.rootTicket()
    set()
    expect((await lab.get('/version', headers)).status).toBe(401)
  })
})

describe('several faults', () => {
  test('the first that fits and is due strikes', async () => {
    set(
      { fault: 'error', status: 501, times: 1 },
      { fault: 'error', status: 502, match: { path: '/version' } },
      { fault: 'error', status: 503, match: { path: '/cluster/*' } },
    )
    const statuses = [await lab.get('/version'), await lab.get('/version'), await lab.get('/cluster/nextid')]
    expect(statuses.map(({ status }) => status)).toEqual([501, 502, 503])
  })

  test('a reset brings back those the server began with', async () => {
    set({ fault: 'error' })
    await lab.server.reset()
    expect(lab.server.admin.faults()).toEqual([])
    expect((await lab.get('/version')).status).toBe(200)
  })
})
