/** What is highly available: resources, rules, groups. */

import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { startLab, type TestLab } from './client.mts'

const ha = '/cluster/ha'

describe('on Proxmox VE 9', () => {
  let lab: TestLab
  beforeAll(async () => {
    lab = await startLab()
  })
  afterAll(() => lab.close())
  beforeEach(async () => {
    await lab.server.reset()
    for (const vmid of [100, 101]) await lab.task('POST', '/nodes/pve/qemu', { vmid })
  })

  test('a VM becomes a resource by its VMID or in full, is changed and removed', async () => {
    expect((await lab.get(`${ha}/resources/100`)).reason).toBe("no such resource 'vm:100'")
    expect((await lab.call('POST', `${ha}/resources`, { sid: 100, max_restart: 2 })).status).toBe(200)
    expect((await lab.get(`${ha}/resources/vm:100`)).data).toMatchObject({
      sid: 'vm:100',
      type: 'vm',
      max_restart: 2,
    })
    expect((await lab.call('POST', `${ha}/resources`, { sid: 'vm:100' })).reason).toBe(
      "create resource failed: resource ID 'vm:100' already defined",
    )
    await lab.call('PUT', `${ha}/resources/vm:100`, { state: 'stopped', delete: 'max_restart' })
    const { data } = await lab.get(`${ha}/resources`)
    expect(data).toMatchObject([{ sid: 'vm:100', state: 'stopped' }])
    expect(data[0].max_restart).toBeUndefined()
    expect((await lab.call('DELETE', `${ha}/resources/100`)).status).toBe(200)
    expect((await lab.call('DELETE', `${ha}/resources/100`)).reason).toBe(
      "cannot delete service 'vm:100', not HA managed!",
    )
  })

  test.each([
    [{ sid: 999 }, 'unable to detect SID from VMID - VM/CT 999 does not exist'],
    [{ sid: 'vm:999' }, "resource 'vm:999' does not exist in cluster"],
    [{ sid: 'ct:100' }, "resource 'ct:100' - guest with ID 100 is not a CT"],
    [{ sid: 'vm:100', type: 'ct' }, 'types does not match'],
    [{ sid: 'vm:100', group: 'g1' }, "invalid parameter 'group': ha groups have been migrated to rules"],
  ])('the resource %j is refused', async (body, reason) => {
    expect((await lab.call('POST', `${ha}/resources`, body)).reason).toBe(reason)
  })

  test('rules name managed resources, and must not contradict each other', async () => {
    const rule = {
      rule: 'together',
      type: 'resource-affinity',
      affinity: 'positive',
      resources: 'vm:100,vm:101',
    }
    expect((await lab.call('POST', `${ha}/rules`, rule)).reason).toBe(
      'create ha rule failed: cannot use unmanaged resource(s) vm:100, vm:101.',
    )
    for (const sid of [100, 101]) await lab.call('POST', `${ha}/resources`, { sid })
    expect((await lab.call('POST', `${ha}/rules`, rule)).status).toBe(200)
    const apart = await lab.call('POST', `${ha}/rules`, { ...rule, rule: 'apart', affinity: 'negative' })
    expect(apart.status).toBe(500)
    expect(apart.message).toContain("create ha rule failed: 400 Rule 'apart' is invalid.")
    await lab.call('POST', `${ha}/rules`, {
      rule: 'here',
      type: 'node-affinity',
      nodes: 'pve:2',
      resources: 'vm:100',
    })
    expect((await lab.get(`${ha}/rules?resource=vm:101`)).data).toMatchObject([{ rule: 'together' }])
    expect((await lab.get(`${ha}/rules/here`)).data).toMatchObject({ nodes: 'pve:2', strict: 0, order: 2 })
    const elsewhere = await lab.call('PUT', `${ha}/rules/here`, { type: 'node-affinity', nodes: 'nope' })
    expect(elsewhere.reason).toBe('update HA rules failed: cannot use non-existent node(s) nope.')
  })

  test('a resource that is removed leaves its rules, and an empty rule goes away', async () => {
    await lab.call('POST', `${ha}/resources`, { sid: 100 })
    const rule = { rule: 'here', type: 'node-affinity', nodes: 'pve', resources: 'vm:100' }
    await lab.call('POST', `${ha}/rules`, rule)
    await lab.call('DELETE', `${ha}/resources/100`)
    expect((await lab.get(`${ha}/rules`)).data).toEqual([])
  })

  test('the power of a resource is handed over: the task ends first, and the state is written down', async () => {
    const vm = '/nodes/pve/qemu/100'
    const state = async () => (await lab.get(`${ha}/resources/100`)).data.state
    const look = async () => (await lab.get(`${vm}/status/current`)).data
    const types = () => lab.server.admin.tasks().map(({ type }) => type)
    expect((await look()).ha).toEqual({ managed: 0 })
    await lab.call('POST', `${ha}/resources`, { sid: 100, state: 'stopped' })
    expect((await look()).ha).toEqual({ managed: 1, state: 'stopped' })
    expect(await lab.task('POST', `${vm}/status/start`)).toBe('OK')
    await vi.waitUntil(async () => (await look()).status === 'running')
    expect([await state(), types().slice(-2)]).toEqual(['started', ['hastart', 'qmstart']])
    const { body } = await lab.call('POST', `${vm}/status/stop`, { 'overrule-shutdown': 1 })
    expect(body).toContain('Not applicable for HA resources.')
    expect(await lab.task('POST', '/nodes/pve/vzdump', { vmid: 100, mode: 'stop' })).toBe('job errors')
    expect(await lab.task('POST', `${vm}/status/shutdown`, { timeout: 1 })).toBe('OK')
    await vi.waitUntil(async () => (await look()).status === 'stopped')
    expect([await state(), types().slice(-2)]).toEqual(['stopped', ['hastop', 'qmshutdown']])
    await lab.call('PUT', `${ha}/resources/100`, { state: 'ignored' })
    expect((await look()).ha).toEqual({ managed: 0 })
    await lab.task('POST', `${vm}/status/start`)
    expect([types().at(-1), await state()]).toEqual(['qmstart', 'ignored'])
  })

  test('groups became rules', async () => {
    expect((await lab.get(`${ha}/groups`)).reason).toBe(
      'cannot index groups: ha groups have been migrated to rules',
    )
  })

  test('the status lists quorum, and the manager once there is something to manage', async () => {
    const types = async () =>
      (await lab.get(`${ha}/status/current`)).data.map((each: { type: string }) => each.type)
    expect(await types()).toEqual(['quorum', 'fencing'])
    await lab.call('POST', `${ha}/resources`, { sid: 100 })
    expect(await types()).toEqual(['quorum', 'master', 'fencing', 'lrm', 'service'])
  })
})

test('Proxmox VE 8 has groups', async () => {
  const lab = await startLab({ version: 8 })
  try {
    await lab.task('POST', '/nodes/pve/qemu', { vmid: 100 })
    await lab.call('POST', `${ha}/groups`, { group: 'first', nodes: 'pve:1' })
    expect((await lab.get(`${ha}/groups`)).data).toMatchObject([
      { group: 'first', nodes: 'pve:1', type: 'group' },
    ])
    await lab.call('POST', `${ha}/resources`, { sid: 100, group: 'first' })
    expect((await lab.call('DELETE', `${ha}/groups/first`)).reason).toBe(
      "delete ha group failed: ha group is used by service 'vm:100'",
    )
  } finally {
    await lab.close()
  }
})
