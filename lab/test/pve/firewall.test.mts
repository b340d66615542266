/** The firewall's configuration: options, rules, aliases, sets of addresses, groups. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startLab, type TestLab, tokenHeader } from './client.mts'

const SECRET = 'b6f1a3de-5b36-4f0c-9b2c-0d4f4f0c3a23'
const ann = tokenHeader('ann@pve!t', SECRET)

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    userCfg: 'user:ann@pve:1:0::::::\ntoken:ann@pve!t:0:0::\nacl:1:/vms/100:ann@pve:PVEVMUser:\n',
    tokenSecrets: { 'ann@pve!t': SECRET },
  })
})
afterAll(() => lab.close())
beforeEach(async () => {
  await lab.server.reset()
  await lab.task('POST', '/nodes/pve/qemu', { vmid: 100, net0: 'virtio,bridge=vmbr0,firewall=1' })
})

const vm = '/nodes/pve/qemu/100/firewall'
const cluster = '/cluster/firewall'
const ssh = { type: 'in', action: 'ACCEPT', macro: 'ssh', enable: 1 }

test('options of a VM are set and deleted, and a stale digest is refused', async () => {
  expect(Object.keys((await lab.get(`${vm}/options`)).data)).toEqual(['digest'])
  await lab.call('PUT', `${vm}/options`, { enable: 1, ipfilter: 1, policy_in: 'DROP' })
  const { data } = await lab.get(`${vm}/options`)
  expect(data).toMatchObject({ enable: 1, ipfilter: 1, policy_in: 'DROP' })
  await lab.call('PUT', `${vm}/options`, { delete: 'policy_in' })
  expect((await lab.get(`${vm}/options`)).data.policy_in).toBeUndefined()
  const late = await lab.call('PUT', `${vm}/options`, { enable: 0, digest: data.digest })
  expect([late.status, late.reason]).toEqual([
    500,
    'detected modified configuration - file changed by other user? Try again.',
  ])
  const unknown = await lab.call('PUT', `${vm}/options`, { delete: 'nope' })
  expect(unknown.errors).toEqual({ delete: "no such option 'nope'" })
})

test('rules have positions: a new one comes first, and one can be moved', async () => {
  for (const comment of ['a', 'b', 'c']) await lab.call('POST', `${vm}/rules`, { ...ssh, comment })
  const order = async () =>
    (await lab.get(`${vm}/rules`)).data.map((rule: { comment: string }) => rule.comment)
  expect(await order()).toEqual(['c', 'b', 'a'])
  await lab.call('PUT', `${vm}/rules/0`, { moveto: 2 })
  expect(await order()).toEqual(['b', 'c', 'a'])
  await lab.call('PUT', `${vm}/rules/2`, { moveto: 0 })
  expect(await order()).toEqual(['a', 'b', 'c'])
  await lab.call('DELETE', `${vm}/rules/1`)
  expect(await order()).toEqual(['a', 'c'])
  expect((await lab.get(`${vm}/rules/7`)).reason).toBe('no rule at position 7')
  expect((await lab.get(`${vm}/rules/0`)).data).toMatchObject({ pos: '0', macro: 'SSH', enable: 1 })
})

test.each([
  [{ ...ssh, macro: 'Nope' }, { macro: "unknown macro 'Nope'" }],
  [{ ...ssh, dport: 22 }, { proto: "missing property - 'dport' requires this property" }],
  [{ type: 'in', action: 'JUMP' }, { action: "unknown action 'JUMP'" }],
  [{ type: 'forward', action: 'DROP' }, { type: "invalid rule type 'forward' for rule_env 'vm'" }],
  [{ ...ssh, source: '+nope' }, { source: "no such ipset 'nope'" }],
  [{ ...ssh, source: 'nope' }, { source: "no such alias 'nope'" }],
  [{ ...ssh, iface: 'eth0' }, { iface: "value does not match the regex pattern 'net\\d+'" }],
  [{ ...ssh, proto: 'udp' }, { proto: "parameter 'proto' already define in macro (value = 'tcp')" }],
  [
    { ...ssh, source: '10.0.0.1,fd00::1' },
    {
      source: "invalid format - detected mixed ipv4/ipv6 addresses in address list '10.0.0.1,fd00::1'\n",
    },
  ],
])('the rule %j is refused', async (rule, errors) => {
  const reply = await lab.call('POST', `${vm}/rules`, rule)
  expect([reply.status, reply.errors]).toEqual([400, errors])
})

test('an empty text clears an option of a rule, and a comma at the end is refused', async () => {
  const empty = { source: '', dest: '', sport: '', dport: '', proto: '', comment: '' }
  const rule = { type: 'in', action: 'ACCEPT' }
  expect((await lab.call('POST', `${vm}/rules`, { ...rule, ...empty })).status).toBe(200)
  const { digest: _, ...kept } = (await lab.get(`${vm}/rules/0`)).data
  expect(kept).toEqual({ ...rule, pos: '0', enable: 0 })
  const extraneous = 'invalid format - extraneous commas in list\n'
  const reply = await lab.call('PUT', `${vm}/rules/0`, { source: '10.0.0.1,', sport: '22,', proto: 'tcp' })
  expect(reply.errors).toEqual({ source: extraneous, sport: extraneous })
})

test('a set of addresses keeps networks without bits behind their prefix', async () => {
  await lab.call('POST', `${vm}/ipset`, { name: 'ipfilter-net0', comment: 'own' })
  await lab.call('POST', `${vm}/ipset/ipfilter-net0`, { cidr: '10.1.2.3/24' })
  await lab.call('POST', `${vm}/ipset/ipfilter-net0`, { cidr: 'fd00::1:0/64', nomatch: 1 })
  expect((await lab.get(`${vm}/ipset`)).data).toMatchObject([{ name: 'ipfilter-net0', comment: 'own' }])
  const { data } = await lab.get(`${vm}/ipset/ipfilter-net0`)
  expect(data).toMatchObject([{ cidr: '10.1.2.0/24' }, { cidr: 'fd00::/64', nomatch: 1 }])
  const twice = await lab.call('POST', `${vm}/ipset/ipfilter-net0`, { cidr: '10.1.2.9/24' })
  expect(twice.errors).toEqual({ cidr: "address '10.1.2.0/24' already exists" })
  await lab.call('PUT', `${vm}/ipset/ipfilter-net0/10.1.2.0%2F24`, { comment: 'x' })
  expect((await lab.get(`${vm}/ipset/ipfilter-net0/10.1.2.0/24`)).data.comment).toBe('x')
  expect((await lab.call('DELETE', `${vm}/ipset/ipfilter-net0`)).reason).toBe(
    "IPSet 'ipfilter-net0' is not empty",
  )
  await lab.call('DELETE', `${vm}/ipset/ipfilter-net0?force=1`)
  expect((await lab.get(`${vm}/ipset`)).data).toEqual([])
})

test('a container has its firewall by VMID, as a VM has', async () => {
  const container = '/nodes/pve/lxc/9998/firewall'
  expect(
    (await lab.call('POST', `${container}/rules`, { type: 'in', action: 'DROP', iface: 'net0' })).status,
  ).toBe(200)
  await lab.call('PUT', `${container}/options`, { dhcp: 1 })
  expect((await lab.get(`${container}/rules`)).data).toMatchObject([
    { action: 'DROP', iface: 'net0', pos: 0 },
  ])
  expect((await lab.get(`${container}/options`)).data).toMatchObject({ dhcp: 1 })
  const reply = await lab.call('POST', `${container}/rules`, { type: 'forward', action: 'DROP' })
  expect(reply.errors).toEqual({ type: "invalid rule type 'forward' for rule_env 'ct'" })
})

test('aliases are found in any case, renamed, and listed as references', async () => {
  await lab.call('POST', `${cluster}/aliases`, { name: 'Office', cidr: '192.0.2.7/32', comment: 'us' })
  expect((await lab.get(`${cluster}/aliases/office`)).data).toEqual({
    name: 'Office',
    cidr: '192.0.2.7',
    ipversion: 4,
    comment: 'us',
  })
  const ruled = await lab.call('POST', `${vm}/rules`, { ...ssh, source: 'dc/office' })
  expect(ruled.status).toBe(200)
  expect((await lab.get(`${vm}/rules/0`)).data).toMatchObject({ source: 'dc/office', ipversion: 4 })
  await lab.call('PUT', `${cluster}/aliases/office`, { cidr: '192.0.2.8', rename: 'home' })
  expect((await lab.get(`${vm}/refs?type=alias`)).data).toEqual([
    { type: 'alias', name: 'home', ref: 'home', scope: 'dc' },
  ])
  expect((await lab.get(`${cluster}/aliases/office`)).errors).toEqual({ name: 'no such alias' })
})

test('a group is renamed in the rules that name it, and removed when it is empty', async () => {
  await lab.call('POST', `${cluster}/groups`, { group: 'web', comment: 'x' })
  await lab.call('POST', `${cluster}/groups/web`, { type: 'in', action: 'ACCEPT', macro: 'HTTP' })
  await lab.call('POST', `${vm}/rules`, { type: 'group', action: 'web', enable: 1 })
  await lab.call('POST', `${cluster}/groups`, { group: 'www', rename: 'web' })
  expect((await lab.get(`${vm}/rules`)).data[0].action).toBe('www')
  expect((await lab.get(`${cluster}/groups`)).data).toMatchObject([{ group: 'www', comment: 'x' }])
  expect((await lab.call('DELETE', `${cluster}/groups/www`)).reason).toBe("Security group 'www' is not empty")
  await lab.call('DELETE', `${cluster}/groups/www/0`)
  expect((await lab.call('DELETE', `${cluster}/groups/www`)).status).toBe(200)
  expect((await lab.get(`${cluster}/groups/www`)).reason).toBe("no such security group 'www'")
})

test('a VM user reads its firewall and may not change it', async () => {
  expect((await lab.get(`${vm}/options`, ann)).status).toBe(200)
  expect((await lab.call('PUT', `${vm}/options`, { enable: 1 }, ann)).reason).toBe(
    'Permission check failed (/vms/100, VM.Config.Network)',
  )
  expect((await lab.get(`${cluster}/options`, ann)).status).toBe(403)
})

test('a node has options and rules of its own', async () => {
  const node = '/nodes/pve/firewall'
  await lab.call('PUT', `${node}/options`, { enable: 0, nf_conntrack_max: 65_536 })
  expect((await lab.get(`${node}/options`)).data).toMatchObject({ enable: 0, nf_conntrack_max: 65_536 })
  await lab.call('POST', `${node}/rules`, { type: 'forward', action: 'DROP', enable: 1 })
  expect((await lab.get(`${node}/rules`)).data).toHaveLength(1)
  expect((await lab.get(`${node}/log`)).json).toMatchObject({ total: 1 })
})
