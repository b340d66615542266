/** The expiry of a VM by the clock alone: those of the lab and of the commands are moved ahead, as the demo does. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { createSite, FROM_BASE } from './collisions.mts'
import { startLabWith } from './golden.mts'
import type { VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('base')
  vms = await createSite(lab, 'north')
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const clock = new URL('../../scripts/lib/demo/moved-clock.mts', import.meta.url).href
const web = { node: 'pve', vmid: 200 }
const power = async () => (await getVmStatus(rootClient(lab), web)).status

async function inDays(days: number, command: string, ...args: string[]) {
  await lab.faults.set([{ fault: 'clock-skew', seconds: days * 86_400 }])
  try {
    return await vms.run(command, args, { NODE_OPTIONS: `--import=${clock}?days=${days}` })
  } finally {
    await lab.faults.clear()
  }
}

test('a VM is made, and one without an end beside it', async () => {
  await vms.json('vm', 'create', 'web-1', ...FROM_BASE)
  await vms.json('vm', 'create', 'web-2', ...FROM_BASE.slice(0, 2), '--expiry-days', 'never')
  expect(await vms.registry.find('web-2')).toMatchObject({ expiresAt: null })
  const { stdout } = await vms.run('gc', [])
  expect(stdout).toBe('nothing is due\n')
  const soon = await inDays(25, 'gc')
  expect(soon.stdout).toMatch(/nothing is due\n\ndue within 7 days.*\n.*\n\S+ +suspend +web-1\n/)
})

test.each([
  ['protected', { protection: 1 }, { protection: 0 }, 'qm set 200 --protection 0'],
  ['locked by a backup', { lock: 'backup' }, { delete: 'lock', skiplock: 1 }, 'qm unlock 200'],
])('a VM that is %s runs on: neither destroy nor gc stops it', async (_, barrier, lift, command) => {
  await updateVmConfig(rootClient(lab), web, barrier)
  const refused = await vms.run('vm', ['destroy', 'web-1', '--yes'])
  expect(refused.stderr).toContain(command)
  expect(refused.code).toBe(1)
  const collected = await inDays(31, 'gc', '--execute')
  expect(collected.code, collected.stderr).toBe(7)
  expect(await power()).toBe('running')
  await updateVmConfig(rootClient(lab), web, lift)
})

test('it is suspended a month later, resumed, suspended again, and destroyed after the grace', async () => {
  expect(await inDays(29, 'gc', '--execute')).toMatchObject({ code: 0, stdout: 'nothing is due\n' })
  expect(await power()).toBe('running')
  expect(await inDays(31, 'gc', '--execute')).toMatchObject({ code: 0 })
  expect(await power()).toBe('stopped')
  expect(await inDays(32, 'vm', 'resume', 'web-1', '--days', '30')).toMatchObject({ code: 0 })
  expect(await power()).toBe('running')
  expect(await inDays(63, 'gc', '--execute')).toMatchObject({ code: 0 })
  expect(await inDays(65, 'gc', '--execute')).toMatchObject({ code: 0, stdout: 'nothing is due\n' })
  expect(await inDays(67, 'gc', '--execute')).toMatchObject({ code: 0 })
  expect(await vms.registry.find('web-1')).toBeUndefined()
  const again = await vms.run('vm', ['destroy', 'web-1', '--yes'])
  expect(again.stderr).toContain('web-1 was destroyed already')
  expect(again.code).toBe(2)
  expect(await vms.registry.find('web-2')).toMatchObject({ phase: 'reserved' })
})
