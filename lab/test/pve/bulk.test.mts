/** Work on all VMs of a node, replication of which there is none, and servers for metrics. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = 'b6f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a26'
const ann = tokenHeader('ann@pve!t', SECRET)

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg: 'user:ann@pve:1:0::::::\ntoken:ann@pve!t:0:0::\nacl:1:/vms/100:ann@pve:PVEVMUser:\n',
    tokenSecrets: { 'ann@pve!t': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const status = async (vmid: number) => (await lab.get(`/nodes/pve/qemu/${vmid}/status/current`)).data.status

test('VMs with onboot start in their order, and stop in the other', async () => {
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, onboot: 1, startup: 'order=2' })
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 101, onboot: 1, startup: 'order=1' })
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 102 })
  expect(await lab.task('POST', '/nodes/pve/startall')).toBe('OK')
  const started = lab.server.admin.tasks().filter(task => task.type === 'qmstart')
  expect(started.map(task => task.id)).toEqual(['101', '100'])
  expect(await status(102)).toBe('stopped')
  expect(await lab.task('POST', '/nodes/pve/stopall')).toBe('OK')
  const stopped = lab.server.admin.tasks().filter(task => task.type === 'qmshutdown')
  expect(stopped.map(task => task.id)).toEqual(['100', '101'])
})

test('who may start one VM may start that one', async () => {
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100 })
  const all = await lab.call('POST', '/nodes/pve/startall', {}, ann)
  expect([all.status, all.reason]).toEqual([403, 'Permission check failed (/, VM.PowerMgmt)'])
  expect(await lab.task('POST', '/nodes/pve/startall', { vms: '100', force: 1 }, ann)).toBe('OK')
  expect(await status(100)).toBe('running')
})

test('nothing is replicated', async () => {
  expect((await lab.get('/cluster/replication')).data).toEqual([])
  expect((await lab.get('/cluster/replication/100-0')).reason).toBe("no such replication job '100-0'")
})

test('a server for metrics keeps its token to itself', async () => {
  const path = '/cluster/metrics/server/m1'
  const server = { type: 'influxdb', server: 'a.test', port: 8086, token: 'secret' }
  expect((await lab.call('POST', path, server)).status).toBe(200)
  expect((await lab.call('POST', path, server)).reason).toBe("Metric server 'm1' already exists")
  const { data } = await lab.get(path)
  expect(data).toMatchObject({ type: 'influxdb', server: 'a.test', port: 8086 })
  expect(data.token).toBeUndefined()
  expect((await lab.call('PUT', path, { ...server, type: undefined, delete: 'server' })).status).toBe(400)
  await lab.call('DELETE', path)
  expect((await lab.get(path)).reason).toBe("status server entry 'm1' does not exist")
})

test('a backup job says which VMs, and when', async () => {
  const path = '/cluster/backup'
  const job = { id: 'night', all: 1, schedule: '21:00', 'prune-backups': 'keep-last=3' }
  expect((await lab.call('POST', path, job)).status).toBe(200)
  expect((await lab.call('POST', path, job)).reason).toBe("Job 'night' already exists")
  expect((await lab.call('POST', path, { schedule: '21:00' })).errors).toEqual({
    vmid: 'property is missing',
  })
  expect((await lab.call('POST', path, { all: 1 })).errors).toEqual({
    schedule: "neither 'starttime' nor 'schedule' were set",
  })
  await lab.call('PUT', `${path}/night`, { vmid: '100,101' })
  const { data } = await lab.get(`${path}/night`)
  expect(data).toMatchObject({ vmid: '100,101', enabled: 1, 'prune-backups': { 'keep-last': 3 } })
  expect(data.all).toBeUndefined()
  await lab.call('DELETE', `${path}/night`)
  expect((await lab.get(`${path}/night`)).errors).toEqual({ id: "No such job 'night'" })
})

test('a plugin of ACME takes its data in base64, and shows it as text', async () => {
  const path = '/cluster/acme/plugins'
  await lab.call('POST', path, { id: 'dns1', type: 'dns', api: 'acmedns', data: 'YT1i' })
  expect((await lab.get(`${path}/dns1`)).data).toMatchObject({ plugin: 'dns1', data: 'a=b', api: 'acmedns' })
  expect((await lab.get(path)).data).toHaveLength(2)
  expect((await lab.get(`${path}/none`)).reason).toBe("ACME plugin 'none' not defined")
})

test('a VM that is highly available is deleted with purge alone', async () => {
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100 })
  await lab.call('POST', '/cluster/ha/resources', { sid: 100 })
  expect((await lab.call('DELETE', '/nodes/pve/qemu/100')).reason).toBe(
    'unable to remove VM 100 - used in HA resources and purge parameter not set.',
  )
  expect(await lab.task('DELETE', '/nodes/pve/qemu/100?purge=1')).toBe('OK')
  expect((await lab.get('/cluster/ha/resources')).data).toEqual([])
})

test('a clone has the firewall of its source, and a later VM with its VMID has none', async () => {
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100 })
  await lab.call('PUT', '/nodes/pve/qemu/100/firewall/options', { enable: 1 })
  await lab.task('POST', '/nodes/pve/qemu/100/clone', { newid: 101 })
  const enabled = async () => (await lab.get('/nodes/pve/qemu/101/firewall/options')).data.enable
  expect(await enabled()).toBe(1)
  await lab.task('DELETE', '/nodes/pve/qemu/101')
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 101 })
  expect(await enabled()).toBeUndefined()
})
