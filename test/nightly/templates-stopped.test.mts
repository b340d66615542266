/** A run that is stopped at each moment between build and prune, another run that ends, and what the first makes of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { readLockfile } from '../../scripts/lib/templates/lockfile.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import { type FamilyVersions, versionsOf } from '../../scripts/lib/templates/version.mts'
import { BUILD_CHECKPOINTS, FILE_CHECKPOINTS } from '../checkpoints.mts'
import { startLabWith } from '../e2e/golden.mts'
import { ageLocks } from '../e2e/locks.mts'
import { createWorkspace, rootClient, type Workspace } from '../e2e/workspace.mts'

let lab: Lab
let workspace: Workspace

beforeAll(async () => {
  lab = await startLabWith('base')
  workspace = await createWorkspace(lab)
})
afterAll(async () => {
  await workspace?.[Symbol.asyncDispose]()
  await lab?.close()
})

type Command = [name: string, ...args: string[]]

const [fileWritten] = FILE_CHECKPOINTS as [string]
const builtAt = BUILD_CHECKPOINTS.filter(name => !name.startsWith('prune-'))
const prunedAt = BUILD_CHECKPOINTS.filter(name => name.startsWith('prune-'))
const prune: Command = ['templates', 'prune', '--keep', '1', '--min-age', '0s']

let memory = 1024
/** A build of inputs of its own. */
const build = (...more: string[]): Command => ['build', 'debian', '--var', `memory=${memory++}`, ...more]

async function succeed([name, ...args]: Command): Promise<void> {
  const { code, stderr } = await workspace.zx(name, args)
  expect(stderr).not.toContain('error:')
  expect(code).toBe(0)
}

/** Stops a command at a moment, lets the others run to their ends, and continues it. */
async function overtaken(step: string, [name, ...args]: Command, others: Command[]): Promise<ExecResult> {
  const first = workspace.start(name, args, { PROXMINT_TEST_STOP_AT: step })
  try {
    await first.untilStopped()
    await ageLocks(workspace.folder)
    for (const other of others) await succeed(other)
  } finally {
    first.signal('SIGCONT')
  }
  return first.ended
}

async function debian(): Promise<FamilyVersions> {
  return (await readLockfile(`${workspace.folder}/config/templates.lock.json`))['debian']!
}

/** Checks that Proxmox has the VMs of the lockfile and no other, and that nothing is reserved. */
async function expectConverged(): Promise<void> {
  const named = versionsOf(await debian()).flatMap(version => version.copies.map(copy => copy.vmid))
  const vms = (await listVms(rootClient(lab))).filter(vm => vm.vmid < 9900).map(vm => vm.vmid)
  expect(vms.toSorted()).toEqual(named.toSorted())
  expect(new Set(named).size).toBe(named.length)
  expect(await listReservations(workspace.stateDir)).toEqual([])
}

describe.sequential('a build, stopped at', () => {
  test.each([...builtAt, fileWritten])('%s while another run builds: both versions are there', async step => {
    const before = await readLockfile(`${workspace.folder}/config/templates.lock.json`)
    const count = before['debian'] === undefined ? 0 : versionsOf(before['debian']).length
    const { code, stderr } = await overtaken(step, build(), [build()])
    expect(code, stderr).toBe(0)
    expect(versionsOf(await debian())).toHaveLength(count + 2)
    await expectConverged()
    await succeed(prune)
  })
})

describe.sequential('with its change of the lockfile written and not yet in place,', () => {
  test('a promotion is kept beside a version that another run recorded', async () => {
    await succeed(build('--no-test'))
    const { candidate } = await debian()
    const promote: Command = ['templates', 'promote', 'debian', '--untested']
    const others = [['templates', 'revoke', candidate!.name, '--reason', 'a test']] as Command[]
    const { code, stderr } = await overtaken(fileWritten, promote, others)
    // What was true when it read the lockfile is not any more: a revoked version is not promoted.
    expect(code).toBe(1)
    expect(stderr).toContain(`${candidate!.name} is revoked`)
    expect((await debian()).candidate).toMatchObject({ name: candidate!.name, revoked: { reason: 'a test' } })
    await expectConverged()
  })

  test('a revocation is kept, and so is the version that another run recorded', async () => {
    const { current } = await debian()
    const revoke: Command = ['templates', 'revoke', current!.name, '--reason', 'a test']
    expect(await overtaken(fileWritten, revoke, [build('--no-test')])).toMatchObject({ code: 0 })
    const after = await debian()
    expect(after.current).toMatchObject({ name: current!.name, revoked: { reason: 'a test' } })
    expect(after.candidate?.revoked).toBeUndefined()
    await expectConverged()
  })
})

describe.sequential('a prune, stopped at', () => {
  test.each(prunedAt)('%s while another run prunes', async step => {
    await succeed(build('--no-test'))
    await succeed(build('--no-test'))
    expect((await debian()).retired).not.toEqual([])
    const { code, stderr } = await overtaken(step, prune, [prune])
    expect(code, stderr).toBe(0)
    expect((await debian()).retired).toEqual([])
    await expectConverged()
  })
})
