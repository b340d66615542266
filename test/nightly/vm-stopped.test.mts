/** A run that is stopped at each moment in the life of a VM, another run that takes over and ends, and what the first does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { REBUILD_CHECKPOINTS, VM_CHECKPOINTS } from '../checkpoints.mts'
import { startLabWith } from '../e2e/golden.mts'
import { type Command, create, destroy, expectWhole, expire, overtaken, succeed } from '../e2e/vm-stopped.mts'
import { createVmWorkspace, type VmWorkspace } from '../e2e/vm-workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

/** Those of VMs without a token. */
const steps = VM_CHECKPOINTS.filter(step => step !== 'vm-minted')
const destroyedAt = steps.slice(steps.indexOf('vm-destroy-planned'))
const createdAt = steps.slice(0, steps.indexOf('vm-suspended'))
const suspendedAt = ['vm-suspended', 'vm-stopped']
const rebuiltAt = [...REBUILD_CHECKPOINTS, 'vm-stopped', 'vm-resume-applied', 'vm-verified'].sort(
  // The first rebuild of a VM has no older disk.
  (a, b) => Number(/older/.test(a)) - Number(/older/.test(b)),
)

const collect: Command = ['gc', ['--execute', '--grace-days', '0']]
const anew: Command[] = [
  ['vm', destroy],
  ['vm', create],
]

async function need(isThere: boolean): Promise<void> {
  const found = (await vms.registry.list()).length > 0
  if (found !== isThere) await succeed(vms, 'vm', isThere ? create : destroy)
}

const idNow = async () => (await vms.registry.find('web-1'))?.id

/** Checks that the run ended with 5. One that was stopped before it had a lock only comes second. */
function expectLost({ code, stderr }: { code: number | null; stderr: string }, step: string): void {
  expect(code, stderr).toBe(step === 'vm-reserved' ? 0 : 5)
}

describe.sequential('create, stopped at', () => {
  test.each(createdAt)('%s, while another run finishes it', async step => {
    await need(false)
    expectLost(await overtaken(vms, step, ['vm', create], [['vm', create]]), step)
    await expectWhole(lab, vms, 'active')
  })

  test.each(createdAt)('%s, while another run makes the VM anew', async step => {
    await need(false)
    expectLost(await overtaken(vms, step, ['vm', create], anew), step)
    await expectWhole(lab, vms, 'active')
  })
})

describe.sequential('destroy, stopped at', () => {
  test.each(destroyedAt)('%s, while another run makes the VM anew', async step => {
    await need(true)
    const before = await idNow()
    // The last moment is after the entry: there is nothing left to destroy.
    const others = step === 'vm-forgotten' ? anew.slice(1) : anew
    expectLost(await overtaken(vms, step, ['vm', destroy], others), step)
    await expectWhole(lab, vms, 'active')
    expect(await idNow()).not.toBe(before)
  })
})

describe.sequential('gc, stopped at', () => {
  test.each(suspendedAt)('%s, while another gc and a resume come', async step => {
    await need(true)
    await expire(vms, 'web-1')
    const others: Command[] = [
      ['gc', ['--execute']],
      ['vm', ['resume', 'web-1', '--days', '5']],
    ]
    expectLost(await overtaken(vms, step, ['gc', ['--execute']], others), step)
    await expectWhole(lab, vms, 'active')
  })

  test.each(destroyedAt)('%s, while another run makes the VM anew', async step => {
    await need(true)
    await expire(vms, 'web-1')
    await succeed(vms, 'gc', ['--execute'])
    const others = step === 'vm-forgotten' ? anew.slice(1) : anew
    expectLost(await overtaken(vms, step, collect, others), step)
    await expectWhole(lab, vms, 'active')
  })
})

describe.sequential('rebuild, stopped at', () => {
  const rebuild = ['rebuild', 'web-1', '--yes', '--allow', 'data-loss']

  beforeAll(async () => {
    await need(true)
    await succeed(vms, 'build', ['debian', '--no-test'])
    await succeed(vms, 'templates', ['promote', 'debian', '--untested'])
  })

  test.each(rebuiltAt)('%s, while another run finishes it', async step => {
    const id = await idNow()
    expectLost(await overtaken(vms, step, ['vm', rebuild], [['vm', rebuild]]), step)
    await expectWhole(lab, vms, 'active')
    expect(await idNow()).toBe(id)
    expect(await vms.registry.find('web-1')).not.toHaveProperty('rebuild')
    await succeed(vms, 'templates', ['rollback', 'debian'])
  })
})

test('every step was tried', () => {
  expect([...createdAt, ...suspendedAt, ...destroyedAt]).toEqual(steps)
})
