/** A run that is killed at each step between build and prune, and what the next run makes of it. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { readLockfile } from '../../scripts/lib/templates/lockfile.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import { type FamilyVersions, versionsOf } from '../../scripts/lib/templates/version.mts'
import { BUILD_CHECKPOINTS } from '../checkpoints.mts'
import { startLabWith } from './golden.mts'
import { createWorkspace, rootClient, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

beforeAll(async () => {
  lab = await startLabWith('base')
  root = rootClient(lab)
  workspace = await createWorkspace(lab)
  await workspace.edit('config/proxmint.yaml', /template_vmid_range: .*/, 'template_vmid_range: [9000, 9099]')
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

const builtAt = BUILD_CHECKPOINTS.filter(name => !name.startsWith('prune-'))
const prunedAt = BUILD_CHECKPOINTS.filter(name => name.startsWith('prune-'))
const prune = ['prune', '--keep', '1', '--min-age', '0s']

/** As `kill -9` at that step. */
async function killed(step: string, command: string, args: string[]): Promise<void> {
  const { code, stdout } = await workspace.zx(command, args, { PROXMINT_TEST_KILL_AT: step })
  expect(code, `${step}: it must have been reached`).not.toBe(0)
  expect(stdout).toBe('')
}

async function debian(): Promise<FamilyVersions> {
  return (await readLockfile(`${workspace.folder}/config/templates.lock.json`))['debian']!
}

const vmidsOf = (family: FamilyVersions): number[] =>
  versionsOf(family)
    .flatMap(version => version.copies.map(copy => copy.vmid))
    .sort()

/** Exactly one current template, nothing in Proxmox that the lockfile does not know, nothing left to be done. */
async function expectConverged(): Promise<void> {
  const family = await debian()
  const vms = (await listVms(root)).filter(vm => vm.vmid < 9900)
  expect(vms.map(vm => vm.vmid).sort()).toEqual(vmidsOf(family))
  const marked = vms.filter(vm => vm.tags?.split(';').includes('current')).map(vm => vm.vmid)
  expect(marked).toEqual(family.current?.copies.map(copy => copy.vmid))
  expect(family.current?.test?.passed).toBe(true)
  // One whose VM never came is kept for two minutes: Proxmox may still be at it.
  const reserved = await listReservations(workspace.stateDir)
  expect(reserved.filter(one => vms.some(vm => vm.vmid === one.vmid))).toEqual([])
  expect((await readdir(`${workspace.folder}/config`)).filter(name => /lock\.json\.|tmp/.test(name))).toEqual(
    [],
  )
}

describe.sequential('the next run converges after kill -9 at', () => {
  test.each(builtAt.map((step, index) => [step, 1024 + index] as const))('%s', async (step, memory) => {
    const inputs = ['debian', '--var', `memory=${memory}`]
    await killed(step, 'build', inputs)
    const { code, stderr } = await workspace.zx('build', [...inputs, '--if-changed'])
    expect(stderr).not.toContain('error:')
    expect(code).toBe(0)
    await expectConverged()
  })

  test.each(prunedAt)('%s', async step => {
    // The candidate before this one is retired by it.
    const build = await workspace.zx('build', [
      'debian',
      '--no-test',
      '--var',
      `memory=${step.length + 2048}`,
    ])
    expect(build.code).toBe(0)
    expect((await debian()).retired).not.toEqual([])
    await killed(step, 'templates', prune)
    const { code, stderr } = await workspace.zx('templates', prune)
    expect(stderr).not.toContain('error:')
    expect(code).toBe(0)
    expect((await debian()).retired).toEqual([])
    await expectConverged()
  })
})

test('what was reserved and never came is given up two minutes later', async () => {
  const file = join(workspace.stateDir, 'reservations.json')
  const before = await readFile(file, 'utf8').catch(() => undefined)
  if (before !== undefined) {
    await writeFile(file, before.replaceAll(/("since": ")[^"]+/g, '$12026-01-01T00:00:00.000Z'))
  }
  expect(await workspace.zx('templates', prune)).toMatchObject({ code: 0 })
  expect(await listReservations(workspace.stateDir)).toEqual([])
  await expectConverged()
})

test('every step was tried', () => {
  expect([...builtAt, ...prunedAt]).toEqual([...BUILD_CHECKPOINTS])
})
