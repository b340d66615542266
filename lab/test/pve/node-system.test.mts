/** DNS, hosts, time, options and interfaces of a node. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

const node = '/nodes/pve'
let lab: TestLab
beforeAll(async () => {
  lab = await startLab()
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

test('DNS servers are numbered as they are read', async () => {
  await lab.call('PUT', `${node}/dns`, { search: 'example.test', dns1: '192.0.2.1', dns3: '192.0.2.3' })
  expect((await lab.get(`${node}/dns`)).data).toEqual({
    search: 'example.test',
    dns1: '192.0.2.1',
    dns2: '192.0.2.3',
  })
})

test('the hosts file is replaced, unless somebody else has changed it', async () => {
  const { data } = await lab.get(`${node}/hosts`)
  await lab.call('POST', `${node}/hosts`, { data: '192.0.2.1 a\n', digest: data.digest })
  expect((await lab.get(`${node}/hosts`)).data.data).toBe('192.0.2.1 a\n')
  const late = await lab.call('POST', `${node}/hosts`, { data: 'x', digest: data.digest })
  expect(late.reason).toBe('detected modified configuration - file changed by other user? Try again.')
})

test('the local time follows from the time zone', async () => {
  await lab.call('PUT', `${node}/time`, { timezone: 'Asia/Kolkata' })
  const { data } = await lab.get(`${node}/time`)
  expect(data.timezone).toBe('Asia/Kolkata')
  expect(data.localtime - data.time).toBe(5.5 * 3600)
  const wrong = await lab.call('PUT', `${node}/time`, { timezone: 'Nowhere/At all' })
  expect(wrong.errors).toEqual({ timezone: 'No such timezone' })
})

test('options of a node are checked, and a domain belongs to one of them', async () => {
  await lab.call('PUT', `${node}/config`, {
    description: 'x',
    acmedomain0: 'a.test',
    wakeonlan: '02:00:00:00:00:01',
  })
  expect((await lab.get(`${node}/config`)).data).toMatchObject({ description: 'x', acmedomain0: 'a.test' })
  const twice = await lab.call('PUT', `${node}/config`, { acmedomain1: 'domain=A.test' })
  expect(twice.reason).toBe(
    "duplicate domain 'a.test' in ACME config properties 'acmedomain1' and 'acmedomain0'",
  )
  await lab.call('PUT', `${node}/config`, { delete: 'description' })
  expect((await lab.get(`${node}/config?property=description`)).data).toEqual({})
})

test('an interface waits for the reload, and can be reverted', async () => {
  const bridge = { iface: 'vmbr7', type: 'bridge', cidr: '10.7.0.1/24', comments: 'seven', autostart: 1 }
  await lab.call('POST', `${node}/network`, bridge)
  const listed = await lab.get(`${node}/network?type=bridge`)
  expect(listed.json.changes).toContain('+iface vmbr7')
  expect(listed.data[1]).toMatchObject({
    iface: 'vmbr7',
    address: '10.7.0.1',
    netmask: '24',
    cidr: '10.7.0.1/24',
    comments: 'seven\n',
    method: 'static',
    families: ['inet'],
    bridge_ports: '',
  })
  expect(listed.data[1].active).toBeUndefined()
  expect(await lab.task('PUT', `${node}/network`)).toBe('OK')
  const now = await lab.get(`${node}/network/vmbr7`)
  expect(now.data.active).toBe(1)
  await lab.call('PUT', `${node}/network/vmbr7`, { type: 'bridge', delete: 'cidr' })
  expect((await lab.get(`${node}/network/vmbr7`)).data).toMatchObject({ method: 'manual' })
  await lab.call('DELETE', `${node}/network`)
  expect((await lab.get(`${node}/network/vmbr7`)).data).toMatchObject({ method: 'static' })
})

test('an interface that is there, or a port in use, is refused', async () => {
  await lab.call('POST', `${node}/network`, { iface: 'bond0', type: 'bond', slaves: 'eno1 eno2' })
  const twice = await lab.call('POST', `${node}/network`, { iface: 'bond0', type: 'bond' })
  expect(twice.errors).toEqual({ iface: 'interface already exists' })
  const port = await lab.call('POST', `${node}/network`, {
    iface: 'vmbr8',
    type: 'bridge',
    bridge_ports: 'eno2',
  })
  expect(port.errors).toEqual({ bridge_ports: "eno2 is already used on interface 'bond0'." })
  const none = await lab.get(`${node}/network/vmbr9`)
  expect(none.errors).toEqual({ iface: 'interface does not exist' })
})

test('a VLAN is named after its bridge', async () => {
  await lab.call('POST', `${node}/network`, { iface: 'vmbr0.5', type: 'vlan' })
  expect((await lab.get(`${node}/network/vmbr0.5`)).data).toMatchObject({
    'vlan-id': '5',
    'vlan-raw-device': 'vmbr0',
  })
})
