/** The software-defined network: what is configured, what is pending, what is applied. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = 'b6f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a25'
const ann = tokenHeader('ann@pve!t', SECRET)
const sdn = '/cluster/sdn'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg: [
      'user:ann@pve:1:0::::::',
      'token:ann@pve!t:0:0::',
      'acl:1:/sdn/zones/lan/net1:ann@pve:PVESDNUser:',
      'acl:1:/vms:ann@pve:PVEVMAdmin:',
      '',
    ].join('\n'),
    tokenSecrets: { 'ann@pve!t': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(() => lab.server.reset())

const apply = () => lab.task('PUT', sdn)

async function makeNetwork(): Promise<void> {
  await lab.call('POST', `${sdn}/zones`, { zone: 'lan', type: 'simple', ipam: 'pve' })
  await lab.call('POST', `${sdn}/vnets`, { vnet: 'net1', zone: 'lan', alias: 'first' })
  await lab.call('POST', `${sdn}/vnets/net1/subnets`, {
    subnet: '10.9.0.0/24',
    type: 'subnet',
    gateway: '10.9.0.1',
    snat: 1,
  })
}

test('zones, vnets and subnets are new until they are applied', async () => {
  await makeNetwork()
  const pending = async (what: string) => (await lab.get(`${sdn}/${what}?pending=1`)).data
  expect(await pending('zones')).toEqual([
    { zone: 'lan', type: 'simple', state: 'new', pending: { ipam: 'pve' } },
  ])
  expect((await lab.get(`${sdn}/zones?running=1`)).data).toEqual([])
  const isZone = ({ type }: { type: string }) => type === 'network'
  const zones = async () => (await lab.get('/cluster/resources')).data.filter(isZone)
  expect(await zones()).toMatchObject([{ network: 'localnetwork', status: 'ok' }])
  expect(await apply()).toBe('OK')
  expect(await zones()).toMatchObject([{ network: 'localnetwork' }, { network: 'lan', status: 'available' }])
  expect(await pending('zones')).toEqual([{ zone: 'lan', type: 'simple', ipam: 'pve' }])
  await lab.call('PUT', `${sdn}/vnets/net1`, { delete: 'alias' })
  expect(await pending('vnets')).toMatchObject([{ state: 'changed', pending: { alias: 'deleted' } }])
  expect((await lab.call('POST', `${sdn}/rollback`)).status).toBe(200)
  expect((await lab.get(`${sdn}/vnets/net1`)).data).toMatchObject({
    alias: 'first',
    zone: 'lan',
    type: 'vnet',
  })
  expect((await lab.get(`${sdn}/vnets/net1/subnets/lan-10.9.0.0-24`)).data).toMatchObject({
    cidr: '10.9.0.0/24',
    network: '10.9.0.0',
    mask: '24',
    gateway: '10.9.0.1',
    'dhcp-range': [],
  })
})

test('what is in use is not removed', async () => {
  await makeNetwork()
  expect((await lab.call('DELETE', `${sdn}/zones/lan`)).reason).toBe(
    'delete sdn zone object failed: zone lan is used by vnet net1',
  )
  expect((await lab.call('DELETE', `${sdn}/vnets/net1`)).message).toContain(
    "Can't delete vnet if subnets exists",
  )
  for (const path of ['vnets/net1/subnets/lan-10.9.0.0-24', 'vnets/net1', 'zones/lan'])
    expect((await lab.call('DELETE', `${sdn}/${path}`)).status).toBe(200)
  expect((await lab.get(`${sdn}/zones/lan`)).reason).toBe("sdn 'lan' does not exist")
})

test.each([
  ['zones', { zone: 'v1', type: 'vlan' }, "missing value for required option 'bridge'"],
  ['zones', { zone: 'v1', type: 'simple', bridge: 'vmbr0' }, "unexpected property 'bridge'"],
  [
    'zones',
    { zone: 'lan', type: 'simple' },
    "create sdn zone object failed: sdn zone object ID 'lan' already defined",
  ],
  [
    'controllers',
    { controller: 'c1', type: 'evpn', asn: 65_000 },
    'create sdn controller object failed: must have exactly one of peers / fabric defined',
  ],
])('%s %j is refused', async (what, body, reason) => {
  await lab.call('POST', `${sdn}/zones`, { zone: 'lan', type: 'simple' })
  expect((await lab.call('POST', `${sdn}/${what}`, body)).reason).toBe(reason)
})

test.each([
  [{ vnet: 'n1', zone: 'lan', tag: 5 }, 'tag: vlan tag is not allowed on simple zone'],
  [{ vnet: 'n1', zone: 'tagged' }, 'tag: missing vlan tag'],
  [{ vnet: 'n1', zone: 'tagged', tag: 9 }, 'tag: tag 9 already exist in vnet other'],
])('the vnet %j is refused', async (vnet, fault) => {
  await lab.call('POST', `${sdn}/zones`, { zone: 'lan', type: 'simple' })
  await lab.call('POST', `${sdn}/zones`, { zone: 'tagged', type: 'vlan', bridge: 'vmbr0' })
  await lab.call('POST', `${sdn}/vnets`, { vnet: 'other', zone: 'tagged', tag: 9 })
  expect((await lab.call('POST', `${sdn}/vnets`, vnet)).message).toContain(fault)
})

test('an applied vnet is a bridge, and SDN.Use on it is enough for a card', async () => {
  await makeNetwork()
  const card = { net0: 'virtio,bridge=net1' }
  const before = await lab.call('POST', '/nodes/pve/qemu', { vmid: 100, ...card }, ann)
  expect(before.reason).toBe('Permission check failed (/sdn/zones/localnetwork/net1, SDN.Use)')
  await apply()
  expect(await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, ...card }, ann)).toBe('OK')
  const ifaces = async () =>
    (await lab.get('/nodes/pve/network?type=any_bridge', ann)).data.map(
      (each: { iface: string }) => each.iface,
    )
  expect(await ifaces()).toEqual(['net1'])
  expect((await lab.get('/nodes/pve/sdn/zones')).data).toEqual([{ zone: 'lan', status: 'available' }])
  expect((await lab.get('/nodes/pve/sdn/zones/lan/content')).data).toEqual([
    { vnet: 'net1', status: 'available' },
  ])
  await lab.task('POST', '/nodes/pve/qemu/100/status/start')
  expect((await lab.get('/nodes/pve/sdn/zones/lan/bridges')).data[0].ports).toMatchObject([
    { vmid: '100', index: 'net0' },
  ])
})

test('a lock keeps others from changing anything', async () => {
  const { data: token } = await lab.call('POST', `${sdn}/lock`)
  const other = await lab.call('POST', `${sdn}/zones`, { zone: 'lan', type: 'simple' })
  expect(other.reason).toBe('create sdn zone object failed: invalid lock token provided!')
  const own = { zone: 'lan', type: 'simple', 'lock-token': token }
  expect((await lab.call('POST', `${sdn}/zones`, own)).status).toBe(200)
  await lab.task('PUT', sdn, { 'lock-token': token })
  expect((await lab.call('DELETE', `${sdn}/zones/lan`)).status).toBe(200)
})

test('a vnet has a firewall once it is applied', async () => {
  await makeNetwork()
  await apply()
  const path = `${sdn}/vnets/net1/firewall`
  await lab.call('PUT', `${path}/options`, { enable: 1, policy_forward: 'DROP' })
  expect((await lab.get(`${path}/options`)).data).toMatchObject({ enable: 1, policy_forward: 'DROP' })
  await lab.call('POST', `${path}/rules`, { type: 'forward', action: 'ACCEPT', enable: 1 })
  expect((await lab.get(`${path}/rules`)).data).toHaveLength(1)
  expect((await lab.call('PUT', `${path}/options`, { enable: 0 }, ann)).reason).toBe(
    'Permission check failed (/sdn/zones/lan/net1, SDN.Allocate)',
  )
})

const fabrics = `${sdn}/fabrics`
const newFabric = (id: string, ip_prefix: string) =>
  lab.call('POST', `${fabrics}/fabric`, { id, protocol: 'openfabric', ip_prefix })
const newNode = (fabric: string, body: object) =>
  lab.call('POST', `${fabrics}/node/${fabric}`, { node_id: 'pve', protocol: 'openfabric', ...body })

test('a fabric and its nodes are new until they are applied', async () => {
  await newFabric('fab1', '10.0.7.0/16')
  await newNode('fab1', { ip: '10.0.0.1', interfaces: ['name=nic0,hello_multiplier=5'] })
  const { digest, ...fabric } = (await lab.get(`${fabrics}/fabric/fab1`)).data
  expect(fabric).toEqual({ id: 'fab1', protocol: 'openfabric', ip_prefix: '10.0.0.0/16' })
  expect((await lab.get(`${fabrics}/node/fab1/pve`)).data).toEqual({
    fabric_id: 'fab1',
    node_id: 'pve',
    protocol: 'openfabric',
    ip: '10.0.0.1',
    interfaces: ['name=nic0,hello_multiplier=5'],
    digest,
  })
  expect((await lab.get(`${fabrics}/fabric?running=1`)).data).toEqual([])
  // The schema of these operations does not forbid other parameters.
  expect((await lab.get(`${fabrics}/fabric/fab1?pending=1`)).status).toBe(200)
  expect((await lab.get(`${fabrics}/all?pending=1`)).data).toMatchObject({
    fabrics: [{ state: 'new', pending: { id: 'fab1', ip_prefix: '10.0.0.0/16' } }],
    nodes: [{ state: 'new', pending: { fabric_id: 'fab1', ip: '10.0.0.1' } }],
  })
  await apply()
  const change = { protocol: 'openfabric', delete: ['interfaces'], ip: '10.0.0.2' }
  expect((await lab.call('PUT', `${fabrics}/node/fab1/pve`, change)).status).toBe(200)
  expect((await lab.get(`${fabrics}/node/fab1`)).data).toMatchObject([{ ip: '10.0.0.2', interfaces: [] }])
  expect((await lab.get(`${fabrics}/node/fab1?running=1`)).data).toMatchObject([{ ip: '10.0.0.1' }])
  await lab.call('POST', `${sdn}/rollback`)
  expect((await lab.get(`${fabrics}/node/fab1/pve`)).data.ip).toBe('10.0.0.1')
  expect((await lab.call('DELETE', `${fabrics}/fabric/fab1`)).status).toBe(200)
  expect((await lab.get(`${fabrics}/all`)).data).toEqual({ fabrics: [], nodes: [] })
})

test('a fabric that cannot be is refused, and nothing is changed', async () => {
  await newFabric('fab1', '10.0.0.0/16')
  await newNode('fab1', { ip: '10.0.0.1', interfaces: ['name=nic0'] })
  const before = (await lab.get(`${fabrics}/all`)).data
  const reason = async (reply: ReturnType<typeof newFabric>) => (await reply).reason
  const ospf = (body: object) =>
    lab.call('POST', `${fabrics}/fabric`, { id: 'fab2', protocol: 'ospf', ...body })
  expect(await reason(newFabric('fab1', '10.2.0.0/16'))).toBe(
    "adding fabric failed: fabric 'fab1' already exists in config",
  )
  expect(await reason(newFabric('fab2', '10.0.1.0/24'))).toBe(
    "adding fabric failed: IP prefix 10.0.1.0/24 in fabric 'fab2' overlaps with IPv4 prefix 10.0.0.0/16 in fabric 'fab1'",
  )
  expect(await reason(ospf({ area: '0' }))).toBe(
    "adding fabric failed: fabric 'fab2' does not have an IP prefix configured",
  )
  expect(await reason(newNode('fab1', { ip: '10.0.0.9' }))).toBe(
    "adding node failed: node 'pve' already exists in config for fabric fab1",
  )
  expect(await reason(newNode('none', { ip: '10.0.0.9' }))).toBe(
    "adding node failed: fabric 'none' does not exist in configuration",
  )
  const moved = lab.call('PUT', `${fabrics}/node/fab1/pve`, { protocol: 'openfabric', ip: '192.0.2.1' })
  expect(await reason(moved)).toBe(
    'updating node failed: node IP 192.0.2.1 is outside the IP prefix 10.0.0.0/16 of the fabric',
  )
  await lab.call('POST', `${sdn}/controllers`, {
    controller: 'ctl',
    type: 'evpn',
    asn: 65000,
    fabric: 'fab1',
  })
  expect(await reason(lab.call('DELETE', `${fabrics}/fabric/fab1`))).toBe(
    'deleting fabric failed: this fabric is still used in the EVPN controller "ctl"',
  )
  expect((await lab.get(`${fabrics}/all`)).data).toEqual(before)
})
