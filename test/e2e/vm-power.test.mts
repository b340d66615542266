/** `vm stop`, `start` and `restart` on one VM: registry and Proxmox agree, whatever kills the run or starts the node. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { createSite, FROM_BASE } from './collisions.mts'
import { startLabWith } from './golden.mts'
import { expire } from './vm-stopped.mts'
import type { VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('base')
  vms = await createSite(lab, 'north')
  await vms.json('vm', 'create', 'web-1', ...FROM_BASE)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const web = { node: 'pve', vmid: 200 }
const config = () => getVmConfig(rootClient(lab), web)
const power = async () => [(await getVmStatus(rootClient(lab), web)).status, (await config())['onboot']]
const stopped = async () => (await vms.registry.find('web-1'))!.stopped

async function byRoot(path: string, parameters: Record<string, string | number> = {}): Promise<void> {
  const root = rootClient(lab)
  await waitForTask(root, await root.request<string>('POST', path, parameters), { timeoutMs: 60_000 })
}

/** Nothing is told by `reconcile`, and `apply` has nothing to do. */
async function expectAgreement(): Promise<void> {
  expect(await vms.run('reconcile', [])).toMatchObject({ code: 0 })
  expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
}

async function killed(step: string, ...args: string[]): Promise<void> {
  const { code, stdout } = await vms.run('vm', args, { PROXMINT_TEST_KILL_AT: step })
  expect([code === 0, stdout], `${step}: it must have been reached`).toEqual([false, ''])
  await vms.ageLocks()
}

test('a stopped VM stays off, through apply, gc and a restart of its node, until it is started', async () => {
  expect(await vms.run('vm', ['stop', 'web-1'])).toMatchObject({ code: 0, stdout: 'web-1 is off\n' })
  expect([await power(), await stopped()]).toEqual([['stopped', 0], { startsWithNode: true }])
  await expectAgreement()
  expect(await vms.run('gc', ['--execute'])).toMatchObject({ code: 0, stdout: 'nothing is due\n' })
  await byRoot('/nodes/pve/startall')
  expect(await power()).toEqual(['stopped', 0])
  expect((await vms.run('vm', ['list'])).stdout).toContain('active, stopped')
  expect((await vms.run('vm', ['restart', 'web-1'])).stderr).toContain('zx scripts/vm.mts start web-1')
  expect(await vms.run('vm', ['start', 'web-1'])).toMatchObject({ code: 0, stdout: 'web-1 runs\n' })
  expect([await power(), await stopped()]).toEqual([['running', 1], undefined])
  await expectAgreement()
})

test('what is decided while it is stopped counts at its start', async () => {
  await vms.json('vm', 'stop', 'web-1')
  await vms.json('vm', 'change', 'web-1', '--on-boot', 'off')
  await vms.json('vm', 'change', 'web-1', '--on-boot', 'on')
  expect(await power()).toEqual(['stopped', 0])
  await vms.json('vm', 'start', 'web-1')
  expect(await power()).toEqual(['running', 1])
  await expectAgreement()
})

test('a restart says what waits in Proxmox, and makes it active', async () => {
  await updateVmConfig(rootClient(lab), web, { memory: 3072 })
  const restarted = await vms.run('vm', ['restart', 'web-1'])
  expect(restarted).toMatchObject({ code: 0, stdout: 'web-1 runs again; now active: memory 2048 -> 3072\n' })
  expect(restarted.stderr).toContain('becomes active by the restart: memory 2048 -> 3072')
  const pending = await rootClient(lab).request<object[]>('GET', '/nodes/pve/qemu/200/pending')
  expect(pending.filter(option => 'pending' in option)).toEqual([])
  await updateVmConfig(rootClient(lab), web, { memory: 2048 })
  await vms.json('vm', 'restart', 'web-1', '--hard', '--timeout', '30')
  await expectAgreement()
})

test('a guest that does not power off is left on, with all as it was', async () => {
  await lab.faults.set([{ fault: 'lock-timeout', match: { task: 'qmshutdown' }, seconds: 1, times: 1 }])
  const refused = await vms.run('vm', ['stop', 'web-1', '--timeout', '5'])
  await lab.faults.clear()
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/web-1 was not stopped, and runs on[\s\S]*--hard/)
  expect([await power(), await stopped()]).toEqual([['running', 1], undefined])
  await expectAgreement()
})

describe.sequential('kill -9', () => {
  test.each(['vm-stop-decided', 'vm-stopped'])('of a stop at %s: the next stop ends it', async step => {
    await killed(step, 'stop', 'web-1')
    expect(await stopped()).toEqual({ startsWithNode: true })
    await vms.json('vm', 'stop', 'web-1')
    expect(await power()).toEqual(['stopped', 0])
    await expectAgreement()
    await vms.json('vm', 'start', 'web-1')
    expect(await power()).toEqual(['running', 1])
  })

  test('of a start: reconcile tells, and the next start ends it', async () => {
    await vms.json('vm', 'stop', 'web-1')
    await killed('vm-started', 'start', 'web-1')
    const { code, stdout } = await vms.run('reconcile', [])
    expect([code, stdout]).toEqual([1, expect.stringContaining('but VM 200 is running')])
    await vms.json('vm', 'start', 'web-1')
    expect([await power(), await stopped()]).toEqual([['running', 1], undefined])
    await expectAgreement()
  })
})

test('high availability gets the order, and keeps to it', async () => {
  const root = rootClient(lab)
  await root.request('POST', '/cluster/ha/resources', { sid: 'vm:200', state: 'started' })
  const state = async () =>
    (await root.request<{ state: string }>('GET', '/cluster/ha/resources/vm:200')).state
  const refused = await vms.run('vm', ['stop', 'web-1'])
  expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('cuts the power of a guest')])
  await vms.json('vm', 'stop', 'web-1', '--hard', '--timeout', '30')
  expect([(await power())[0], await state()]).toEqual(['stopped', 'stopped'])
  await vms.json('vm', 'start', 'web-1')
  expect([(await power())[0], await state()]).toEqual(['running', 'started'])
  await root.request('DELETE', '/cluster/ha/resources/vm:200')
})

test('the expiry of a stopped VM goes on: it is suspended, and resumed as every other', async () => {
  await vms.json('vm', 'stop', 'web-1')
  await expire(vms, 'web-1')
  expect((await vms.run('vm', ['start', 'web-1'])).stderr).toContain('gc would suspend it again')
  await vms.json('gc', '--execute')
  expect(await vms.registry.find('web-1')).toMatchObject({ phase: 'suspended' })
  expect((await vms.run('vm', ['start', 'web-1'])).stderr).toContain(
    'zx scripts/vm.mts resume web-1 --days N',
  )
  await vms.json('vm', 'resume', 'web-1', '--days', '5')
  expect([await power(), await stopped()]).toEqual([['running', 1], undefined])
  await expectAgreement()
})
