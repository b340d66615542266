/** Options of the whole cluster, its log, and the index. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = 'b6f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a24'
const ann = tokenHeader('ann@pve!t', SECRET)

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg: 'user:ann@pve:1:0::::::\ntoken:ann@pve!t:0:0::\n',
    tokenSecrets: { 'ann@pve!t': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const path = '/cluster/options'

test('anybody gets the options of the web interface, an auditor gets all', async () => {
  await lab.call('PUT', path, { console: 'applet', 'tag-style': 'shape=full' })
  expect((await lab.get(path, ann)).data).toEqual({
    console: 'html5',
    'tag-style': { shape: 'full' },
    'allowed-tags': [],
  })
  expect((await lab.get(path)).data).toMatchObject({ keyboard: 'en-us', mac_prefix: 'BC:24:11' })
  expect((await lab.call('PUT', path, { keyboard: 'de' }, ann)).status).toBe(403)
})

test('options with parts are checked, and read as objects', async () => {
  await lab.call('PUT', path, {
    migration: 'secure,network=10.0.0.0/8',
    'next-id': 'lower=200,upper=300',
    bwlimit: 'default=1024',
    'registered-tags': 'a;b',
  })
  expect((await lab.get(path)).data).toMatchObject({
    migration: { type: 'secure', network: '10.0.0.0/8' },
    'next-id': { lower: 200, upper: 300 },
    bwlimit: 'default=1024',
    'registered-tags': ['a', 'b'],
    'allowed-tags': ['a', 'b'],
  })
  expect((await lab.get('/cluster/nextid')).data).toBe('200')
  await lab.call('PUT', path, { delete: 'migration,registered-tags' })
  expect((await lab.get(path)).data.migration).toBeUndefined()
  const wrong = await lab.call('PUT', path, { ha: 'shutdown_policy=nope', max_workers: 0 })
  expect(Object.keys(wrong.errors!).sort()).toEqual(['ha', 'max_workers'])
  expect((await lab.call('PUT', path, { 'next-id': 'lower=300,upper=200' })).reason).toBe(
    'lower (300) <= upper (200) boundary rule broken',
  )
  expect((await lab.get('/cluster/nextid')).data).toBe('200')
})

test('the log has the begin and the end of each task; others see their own', async () => {
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 200 })
  const { data } = await lab.get('/cluster/log')
  expect(data).toHaveLength(2)
  expect(data[0].msg).toMatch(/^end task UPID:pve:.*:qmcreate:200:root@pam!test: OK$/)
  expect(data[1]).toMatchObject({ tag: 'pvedaemon', node: 'pve', user: 'root@pam!test', pri: 6 })
  expect((await lab.get('/cluster/log?max=1')).data).toHaveLength(1)
  expect((await lab.get('/cluster/log', ann)).data).toEqual([])
})

test('the index names what is below /cluster', async () => {
  const names = (await lab.get('/cluster', ann)).data.map((each: { name: string }) => each.name)
  expect(names).toContain('mapping')
})
