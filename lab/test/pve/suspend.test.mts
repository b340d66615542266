import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { createNoneDriver } from '../../guests/none.mts'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, scsi0: 'tank:1', memory: 512, agent: 1 })
  await lab.task('POST', `${vm}/status/start`)
})

const vm = '/nodes/pve/qemu/100'
const act = (what: string, body = {}) => lab.task('POST', `${vm}/status/${what}`, body)
const reason = async (what: string, body = {}) =>
  (await lab.call('POST', `${vm}/status/${what}`, body)).reason
const status = async () => (await lab.get(`${vm}/status/current`)).data
const config = async () => (await lab.get(`${vm}/config`)).data
const volumes = async () =>
  (await lab.get('/nodes/pve/storage/tank/content')).data.map(({ volid }: { volid: string }) => volid).sort()

test('a paused VM runs on, but neither shuts down nor answers', async () => {
  expect(await act('suspend')).toBe('OK')
  expect(lab.server.admin.tasks().at(-1)!.type).toBe('qmpause')
  expect(await status()).toMatchObject({ status: 'running', qmpstatus: 'paused' })
  expect(await reason('shutdown')).toBe('VM is paused - cannot shutdown')
  expect(await reason('reboot')).toBe('VM is paused - cannot shutdown')
  expect((await lab.call('POST', `${vm}/agent/ping`)).reason).toBe('QEMU guest agent is not running')
  expect(await act('resume')).toBe('OK')
  expect(await status()).toMatchObject({ qmpstatus: 'running' })
  expect(await act('resume')).toBe('OK')
  await act('suspend')
  expect(await act('shutdown', { forceStop: 1 })).toBe('OK')
  expect((await status()).status).toBe('stopped')
  for (const what of ['suspend', 'resume']) expect(await reason(what)).toBe('VM 100 not running')
})

test('on disk, its memory is a volume until it goes on', async () => {
  expect(await act('suspend', { todisk: 1 })).toBe('OK')
  expect(lab.server.admin.tasks().at(-1)!.type).toBe('qmsuspend')
  const { vmstate, lock } = await config()
  expect([lock, vmstate]).toEqual([
    'suspended',
    expect.stringMatching(/^tank:vm-100-state-suspend-\d{4}-\d\d-\d\d$/),
  ])
  expect(await volumes()).toContain(vmstate)
  expect(await status()).toMatchObject({ status: 'stopped', lock: 'suspended' })
  expect((await lab.call('PUT', `${vm}/config`, { cores: 2 })).reason).toBe('VM is locked (suspended)')
  expect(await act('resume')).toBe('OK')
  expect(lab.driver.started.get(100)?.state).toMatch(/state-suspend/)
  const after = await config()
  for (const key of ['lock', 'vmstate', 'runningmachine', 'runningcpu']) expect(after).not.toHaveProperty(key)
  expect(await volumes()).toEqual(['tank:vm-100-disk-0'])
})

test('on disk, a start continues it and a removal takes the memory along', async () => {
  await act('suspend', { todisk: 1 })
  expect(await act('start')).toBe('OK')
  expect((await status()).status).toBe('running')
  await act('suspend', { todisk: 1 })
  expect(await lab.task('DELETE', vm)).toBe('OK')
  expect(await volumes()).toEqual([])
})

test('what cannot be saved is refused', async () => {
  expect(await lab.call('POST', `${vm}/status/suspend`, { statestorage: 'tank' })).toMatchObject({
    status: 400,
    errors: { todisk: "missing property required by 'statestorage'" },
  })
  const ticket = await lab.rootTicket()
  await lab.call('PUT', `${vm}/config`, { virtiofs0: 'share' }, ticket)
  const { status: refused } = await lab.call('PUT', `${vm}/config`, { lock: 'backup' }, ticket)
  expect(refused).toBe(200)
  expect(await act('suspend', { todisk: 1 })).toBe('cannot suspend to disk during backup')
  expect(await act('suspend')).toBe('OK')
})

test('a locked VM stays as it is', async () => {
  await lab.call('PUT', `${vm}/config`, { lock: 'migrate' }, await lab.rootTicket())
  expect(await act('suspend')).toBe('VM is locked (migrate)')
  expect(await act('stop')).toBe('VM is locked (migrate)')
})

test('a stop overrules a shutdown that waits for the guest', async () => {
  const driver = createNoneDriver()
  const deaf = await startLab({
    driver: {
      ...driver,
      start: async guest => ({ ...(await driver.start(guest)), shutdown: async () => {} }),
    },
  })
  onTestFinished(() => deaf.close())
  await deaf.task('POST', '/nodes/pve/qemu', { vmid: 100, start: 1 })
  const { data: shutdown } = await deaf.call('POST', `${vm}/status/shutdown`)
  expect(await deaf.task('POST', `${vm}/status/stop`, { 'overrule-shutdown': 1 })).toBe('OK')
  const { data } = await deaf.get(`/nodes/pve/tasks/${encodeURIComponent(shutdown)}/status`)
  expect(data.exitstatus).toBe('interrupted by signal')
})

test('keys reach a running VM by their names', async () => {
  const press = (key: string) => lab.call('PUT', `${vm}/sendkey`, { key })
  expect((await press('ctrl-alt-delete')).status).toBe(200)
  expect((await press('nope')).reason).toBe('invalid parameter: nope')
  await act('stop')
  expect((await press('ret')).reason).toBe('VM 100 not running')
})
