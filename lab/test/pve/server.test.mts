import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let dataDir: string
const labs: TestLab[] = []
async function start(options: Parameters<typeof startLab>[0] = {}): Promise<TestLab> {
  const lab = await startLab({ dataDir, ...options })
  labs.push(lab)
  return lab
}
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pve-test-'))
})
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.server.close()
  await rm(dataDir, { recursive: true, force: true })
})

const qemu = '/nodes/pve/qemu'

describe('tasks take their time, and others see it', () => {
  test('a clone is locked while it is made; two of one id both get a UPID, one wins', async () => {
    const lab = await start({ timeScale: 0.1 })
    await lab.task('POST', qemu, { vmid: 100, name: 'base', scsi0: 'tank:1' })
    await lab.task('POST', `${qemu}/100/template`)
    // Both workers begin when both requests are answered, however slow this machine is.
    lab.server.admin.setFaults([{ fault: 'slow-task', seconds: 1, match: { task: 'qmclone' } }])
    const clone = () => lab.call('POST', `${qemu}/100/clone`, { newid: 101, full: 1 })
    const upids = (await Promise.all([clone(), clone()])).map(reply => reply.data as string)
    const lock = async () => (await lab.get('/cluster/resources?type=vm')).data[1]?.lock
    await expect.poll(lock, { timeout: 20_000 }).toBe('clone')
    await lab.server.admin.settled()
    const outcomes = lab.server.admin.tasks().filter(task => upids.includes(task.upid))
    expect(outcomes.map(task => task.exitstatus).sort()).toEqual([
      'OK',
      'unable to create VM 101: config file already exists',
    ])
  })

  test('a config change waits for the lock a worker holds', async () => {
    const lab = await start({ timeScale: 0.2 })
    await lab.task('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
    await lab.call('POST', `${qemu}/100/template`)
    const reply = await lab.call('PUT', `${qemu}/100/config`, { cores: 2 })
    expect(reply.status).toBe(200)
    expect(lab.server.admin.vmConfig(100)).toMatchObject({ template: '1', cores: '2' })
  })

  test('a task runs, has a log, and ends', async () => {
    const lab = await start({ timeScale: 0.2 })
    const { data: upid } = await lab.call('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
    expect(upid).toMatch(/^UPID:pve:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:qmcreate:100:root@pam!test:$/)
    const path = `/nodes/pve/tasks/${encodeURIComponent(upid)}`
    const running = (await lab.get(`${path}/status`)).data
    expect(running).toMatchObject({
      status: 'running',
      type: 'qmcreate',
      id: '100',
      user: 'root@pam',
      tokenid: 'test',
    })
    expect(running).not.toHaveProperty('exitstatus')
    expect((await lab.get('/nodes/pve/tasks?source=active')).data).toHaveLength(1)
    await lab.server.admin.settled()
    expect((await lab.get(`${path}/status`)).data).toMatchObject({ status: 'stopped', exitstatus: 'OK' })
    const log = (await lab.get(`${path}/log`)).json
    expect(log.total).toBe(2)
    expect(log.data).toEqual([
      { n: 1, t: "scsi0: successfully created disk 'tank:vm-100-disk-0,size=1G'" },
      { n: 2, t: 'TASK OK' },
    ])
    expect((await lab.get('/nodes/pve/tasks')).data[0]).toMatchObject({ upid, status: 'OK' })
  })

  test('an id that is none, or of no task, is a wrong parameter', async () => {
    const lab = await start()
    const faults = async (upid: string) =>
      (await lab.get(`/nodes/pve/tasks/${encodeURIComponent(upid)}/status`)).errors
    expect(await faults('UPID:nonsense')).toEqual({ upid: 'unable to parse worker upid' })
    const forgotten = 'UPID:pve:000003E8:00000001:6B035A25:qmstart:100:root@pam:'
    expect(await faults(forgotten)).toEqual({ upid: 'no such task' })
  })

  test('a clone that is stopped leaves nothing', async () => {
    const lab = await start({ timeScale: 0.1 })
    await lab.task('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
    const { data: upid } = await lab.call('POST', `${qemu}/100/clone`, { newid: 101, full: 1 })
    await lab.call('DELETE', `/nodes/pve/tasks/${encodeURIComponent(upid)}`)
    await lab.server.admin.settled()
    expect(lab.server.admin.tasks().at(-1)!.exitstatus).toBe('interrupted by signal')
    expect(lab.server.admin.vmids()).toEqual([100])
  })

  test('failed logins are slow, in proportion', async () => {
    const lab = await start({ timeScale: 0.1 })
    const before = performance.now()
    await lab.get('/version', {})
    expect(performance.now() - before).toBeGreaterThan(280)
  })
})

describe('after a restart', () => {
  test('VMs, disks, users and tasks are there; nothing runs', async () => {
    const first = await start()
    await first.task('POST', qemu, { vmid: 100, name: 'web', scsi0: 'tank:1' })
    await first.task('POST', `${qemu}/100/status/start`)
    await first.call('POST', '/access/users', { userid: 'ann@pve', password: 'secret-8' })
    const [config, tasks] = [(await first.get(`${qemu}/100/config`)).data, first.server.admin.tasks()]
    await first.server.close()
    const second = await start()
    expect((await second.get(`${qemu}/100/config`)).data).toEqual(config)
    expect((await second.get(`${qemu}/100/status/current`)).data.status).toBe('stopped')
    expect(second.server.admin.tasks()).toEqual(tasks)
    const login = { username: 'ann@pve', password: 'secret-8' }
    expect((await second.call('POST', '/access/ticket', login, {})).status).toBe(200)
    expect(await second.task('POST', `${qemu}/100/status/start`)).toBe('OK')
  })

  test('a state that cannot be read is said to be so', async () => {
    await writeFile(join(dataDir, 'state.json'), '{ half')
    await expect(start()).rejects.toThrow(
      /^cannot read the lab's state .*state\.json: .*; remove it to start afresh$/,
    )
  })
})

describe('on the wire', () => {
  test('TLS 1.3, with a certificate of its own authority for every name it has', async () => {
    const lab = await start()
    const ca = await import('node:fs/promises').then(fs => fs.readFile(lab.server.caFile))
    for (const servername of ['localhost', 'pve']) {
      const socket = connect({ host: '127.0.0.1', port: lab.server.port, ca, servername })
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
      expect(socket.getProtocol()).toBe('TLSv1.3')
      const names = socket.getPeerCertificate().subjectaltname
      for (const name of ['127.0.0.1', '0:0:0:0:0:0:0:1', '192.168.122.1']) expect(names).toContain(name)
      socket.destroy()
    }
  })

  test('the Unix socket speaks plain HTTP', async () => {
    const socketPath = join(dataDir, 'api.sock')
    await start({ socketPath })
    const status = await new Promise(resolve =>
      request({ socketPath, path: '/api2/json/access/domains' }, response => {
        response.resume()
        resolve(response.statusCode)
      }).end(),
    )
    expect(status).toBe(200)
  })

  test('unknown operations are 501, empty path segments are skipped', async () => {
    const lab = await start()
    expect(await lab.get('/nope')).toMatchObject({
      status: 501,
      reason: "Method 'GET /nope' not implemented",
    })
    expect((await lab.call('DELETE', '/version')).reason).toBe("Method 'DELETE /version' not implemented")
    expect((await lab.get('//nodes///pve/status/')).status).toBe(200)
    expect((await lab.get('/nodes/other/status')).reason).toMatch(/^hostname lookup 'other' failed/)
  })

  test('JSON bodies are taken like forms; broken ones are 500', async () => {
    const lab = await start()
    const json = (body: string) =>
      lab.call('POST', qemu, body, { ...lab.rootHeaders, 'content-type': 'application/json' })
    expect((await json('{"vmid":100,"onboot":true,"cores":2,"name":"json"}')).status).toBe(200)
    await lab.server.admin.settled()
    expect(lab.server.admin.vmConfig(100)).toMatchObject({ onboot: '1', cores: '2', name: 'json' })
    expect((await json('{"vmid":}')).reason).toBe(
      'malformed JSON string, neither tag, array, object, number, string or atom, at character offset 8 (before "}") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.',
    )
    expect((await json('[]')).reason).toBe(
      'Not a HASH reference at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 978.',
    )
  })

  test('only the first line of a message stands in the status line', async () => {
    const lab = await start()
    const reply = await lab.call('PUT', '/access/acl', {
      path: '/nowhere',
      roles: 'NoAccess',
      users: 'root@pam',
    })
    expect(reply).toMatchObject({
      status: 400,
      reason: 'Parameter verification failed.',
      json: {
        data: null,
        errors: { path: "invalid ACL path '/nowhere'" },
        message: 'Parameter verification failed.\n',
      },
    })
  })
})

test('reset leaves nothing of what was done', async () => {
  const lab = await start()
  await lab.task('POST', qemu, { vmid: 100, scsi0: 'tank:1' })
  await lab.task('POST', `${qemu}/100/status/start`)
  await lab.call('POST', '/access/users', { userid: 'ann@pve' })
  await lab.server.reset()
  expect((await lab.get('/cluster/resources?type=vm')).data).toEqual([])
  expect((await lab.get('/nodes/pve/storage/tank/content')).data).toEqual([])
  expect((await lab.get('/access/users')).data.map((user: { userid: string }) => user.userid)).toEqual([
    'root@pam',
  ])
  expect((await lab.get('/cluster/tasks')).data).toEqual([])
})
