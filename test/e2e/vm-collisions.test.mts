/** Two who take one VMID at the same moment: neither changes the VM of the other. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { changeEntry } from '../change-entry.mts'
import {
  collide,
  configText,
  createAtOnce,
  createSite,
  expectOwn,
  FROM_BASE,
  makeStranger,
} from './collisions.mts'
import { startLabWith } from './golden.mts'
import type { VmWorkspace } from './vm-workspace.mts'

let lab: Lab
let north: VmWorkspace
let south: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('base')
  ;[north, south] = [await createSite(lab, 'north'), await createSite(lab, 'south')]
})
afterAll(async () => {
  await Promise.all([north?.[Symbol.asyncDispose](), south?.[Symbol.asyncDispose]()])
  await lab?.close()
})

test('a VMID that is taken between plan and clone is given up for another, and its VM stays as it was', async () => {
  const { code, stderr, before, after, entry } = await collide(lab, north, 'win0', 2)
  expect(code, stderr).toBe(0)
  expect(before.size).toBe(2)
  expect([...after]).toEqual([...before])
  expect(before.has(entry!.vmid)).toBe(false)
  await expectOwn(lab, entry!, 'north')
  expect(entry!.history.map(({ what }) => what)).toContainEqual(
    expect.stringContaining('is taken in Proxmox'),
  )
  await north.json('vm', 'destroy', 'win0', '--yes')
  for (const [vmid, text] of before) expect(await configText(lab, vmid)).toBe(text)
  expect((await north.left()).filter(one => !one.includes('stranger'))).toEqual([])
})

test('a VMID that a person chose is not given up for another; destroy gives up the entry alone', async () => {
  await north.json('vm', 'create', 'win1', ...FROM_BASE.slice(0, 2), '--vmid', '850')
  const before = await makeStranger(lab, 850)
  const refused = await north.run('apply', ['win1'])
  expect(refused.stderr).toContain(
    'VMID 850 of win1 is taken in Proxmox by another VM, which was not touched',
  )
  expect(refused.code).toBe(2)
  // As a run of an older version left it, which took the VM for its own.
  await changeEntry(north.registry, 'win1', one => ({ ...one, phase: 'created' }))
  const { code, stdout, stderr } = await north.run('vm', ['destroy', 'win1', '--yes'])
  expect(code, stderr).toBe(0)
  expect(stdout).not.toContain('VMID 850 and')
  expect(stdout).toContain('VMID 850 belongs to another VM')
  expect(await north.registry.find('win1')).toBeUndefined()
  expect(await configText(lab, 850)).toBe(before)
})

test('two sites that make a VM with one VMID at the same moment get a VM each', async () => {
  for (const round of [0, 1]) await createAtOnce(lab, north, south, round)
})
