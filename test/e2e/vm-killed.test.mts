/** A run that is killed at each step in the life of a VM, and what the next run makes of it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { changeEntry } from '../change-entry.mts'
import { VM_CHECKPOINTS } from '../checkpoints.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

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

/** Those of VMs without a token; vm-access.test.mts has the others. */
const steps = VM_CHECKPOINTS.filter(step => !/minted|token/.test(step))
const destroyedAt = steps.slice(steps.indexOf('vm-destroy-planned'))
const suspendedAt = ['vm-suspended', 'vm-stopped'] as const
const resumedAt = ['vm-resume-planned', 'vm-resume-applied', 'vm-resume-verified'] as const
const createdAt = steps.slice(0, steps.indexOf('vm-suspended'))

/** As `kill -9` at that step. */
async function killed(step: string, command: string, args: string[]): Promise<void> {
  const { code, stdout } = await vms.run(command, args, { PROXMINT_TEST_KILL_AT: step })
  expect(code, `${step}: it must have been reached`).not.toBe(0)
  expect(stdout).toBe('')
  await vms.ageLocks()
}

async function again(command: string, args: string[]): Promise<void> {
  const { code, stderr } = await vms.run(command, args)
  expect(stderr).not.toContain('error:')
  expect(code).toBe(0)
}

const expire = (name: string) =>
  changeEntry(vms.registry, name, entry => ({
    ...entry,
    expiresAt: new Date(Date.now() - 60_000).toISOString(),
  }))

/** Exactly one VM, one entry and one folder, and nothing else. */
async function expectOne(name: string, phase: 'active' | 'suspended'): Promise<void> {
  const entries = await vms.registry.list()
  expect(entries).toMatchObject([{ name, phase, vmid: 100, address: '192.168.122.200', failure: null }])
  const { id } = (await vms.registry.find(name))!
  const snippet = `local:snippets/proxmint-${name}-${id}.yaml`
  expect(await vms.left()).toEqual([`VM 100 ${name}`, snippet, `vms/${name}`])
  const { status } = await getVmStatus(rootClient(lab), { node: 'pve', vmid: 100 })
  expect(status).toBe(phase === 'active' ? 'running' : 'stopped')
}

/** No VM, no entry, no address, no user-data, no folder. */
async function expectNothing(): Promise<void> {
  expect(await vms.registry.list()).toEqual([])
  expect(await vms.left()).toEqual([])
}

/** Each step of create with one of those of the destruction, as far as there are. */
const pairs = createdAt.map(
  (step, index) => [step, destroyedAt[index] ?? 'nowhere', index % 2 === 0 ? 'gc' : 'vm'] as const,
)

const create = ['create', 'web-1', '--apply', '--vmid', '100', '--ip', '192.168.122.200']
const destroy = ['destroy', 'web-1', '--yes']
const resume = ['resume', 'web-1', '--days', '5']
const collect = ['--execute', '--grace-days', '0']

describe.sequential('the next run converges after kill -9 at', () => {
  test.each(pairs)('%s of create, and %s in its destruction by %s', async (step, last, command) => {
    await killed(step, 'vm', create)
    await again('vm', create)
    await expectOne('web-1', 'active')
    const args = command === 'gc' ? collect : destroy
    if (command === 'gc') {
      await expire('web-1')
      await again('gc', ['--execute'])
    }
    if (last !== 'nowhere') await killed(last, command, args)
    // Killed after the last step there is nothing left to destroy.
    if ((await vms.registry.list()).length > 0) await again(command, args)
    await expectNothing()
  })

  test.each(suspendedAt)('%s of gc', async step => {
    if ((await vms.registry.list()).length === 0) await again('vm', create)
    await expire('web-1')
    await killed(step, 'gc', ['--execute'])
    await again('gc', ['--execute'])
    await expectOne('web-1', 'suspended')
    await again('vm', resume)
    await expectOne('web-1', 'active')
  })

  test.each(resumedAt)('%s of a resume', async step => {
    if ((await vms.registry.list()).length === 0) await again('vm', create)
    await expire('web-1')
    await again('gc', ['--execute'])
    await killed(step, 'vm', resume)
    await again('vm', resume)
    await expectOne('web-1', 'active')
  })
})

test('killed while OpenTofu makes the VM, which goes on without it', async () => {
  if ((await vms.registry.list()).length > 0) await again('vm', destroy)
  const run = vms.start('vm', create)
  await vi.waitUntil(async () => (await listVms(rootClient(lab))).some(({ vmid }) => vmid === 100), {
    timeout: 60_000,
    interval: 20,
  })
  run.signal('SIGKILL')
  await run.ended
  await vms.ageLocks()
  await again('vm', create)
  await expectOne('web-1', 'active')
  await again('vm', destroy)
  await expectNothing()
})

/** Kills a run that makes the VM while its OpenTofu waits for Proxmox to begin the clone. */
async function killedBeforeClone(): Promise<void> {
  if ((await vms.registry.list()).length > 0) await again('vm', destroy)
  const slow = { fault: 'slow-task', seconds: 8, times: 1, match: { task: 'qmclone' } } as const
  await lab.faults.set([slow])
  const run = vms.start('vm', create)
  const isCloning = async () => (await lab.faults.list())[0]?.struck === 1
  await vi.waitUntil(isCloning, { timeout: 60_000, interval: 20 })
  run.signal('SIGKILL')
  await run.ended
  await vms.ageLocks()
}

test('killed while OpenTofu waits for the clone, and made again before it', async () => {
  await killedBeforeClone()
  await again('vm', create)
  await expectOne('web-1', 'active')
  // Longer than the clone waited.
  await sleep(9000)
  await expectOne('web-1', 'active')
})

const LOCK = `import fcntl, sys
state = open(sys.argv[1], 'a+')
fcntl.lockf(state, fcntl.LOCK_EX)
print('locked', flush=True)
sys.stdin.read()`

/** Locks a state as OpenTofu does, until it is disposed of. Without the file beside it, OpenTofu does not wait. */
async function lockState(file: string): Promise<Disposable> {
  const info = { ID: 'test', Operation: 'OperationTypeApply', Who: 'test', Created: new Date().toISOString() }
  const beside = join(dirname(file), `.${basename(file)}.lock.info`)
  await writeFile(beside, JSON.stringify({ ...info, Info: '', Version: '', Path: basename(file) }))
  const holder = spawn('python3', ['-c', LOCK, file], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  return {
    [Symbol.dispose]() {
      rmSync(beside, { force: true })
      holder.stdin.end()
    },
  }
}

test('destroyed while OpenTofu still has the state, which is empty until it ends', async () => {
  if ((await vms.registry.list()).length > 0) await again('vm', destroy)
  await again(
    'vm',
    create.filter(option => option !== '--apply'),
  )
  const { folder, stateDir } = vms.workspace
  const log = () => readFile(join(stateDir, 'logs/vm-web-1.log'), 'utf8').catch(() => '')
  const lock = await lockState(join(folder, 'vms/web-1/terraform.tfstate'))
  const run = vms.start('vm', destroy)
  let hasEnded = false
  const ended = run.ended.finally(() => {
    hasEnded = true
  })
  const waits = async () => (await log()).includes('Acquiring state lock')
  await vi.waitUntil(async () => hasEnded || (await waits()), { timeout: 120_000 })
  expect(hasEnded).toBe(false)
  expect(await vms.registry.list()).toHaveLength(1)
  lock[Symbol.dispose]()
  expect(await ended).toMatchObject({ code: 0 })
  await expectNothing()
})

test('every step was tried', () => {
  expect([...createdAt, ...suspendedAt, ...resumedAt, ...destroyedAt]).toEqual([...steps])
})
