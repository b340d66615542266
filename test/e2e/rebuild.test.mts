/** `vm rebuild` in place: what stays, the way back, what is refused, and runs that are killed at each moment. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig, type VmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { listVmids } from '../../scripts/lib/proxmox/list-vms.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { volumeOf } from '../../scripts/lib/proxmox/property-string.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { readLockfile } from '../../scripts/lib/templates/lockfile.mts'
import { changeEntry } from '../change-entry.mts'
import {
  PREVIOUS_CHECKPOINTS,
  REBUILD_CHECKPOINTS,
  TAKEN_BACK_CHECKPOINTS,
  UNDO_CHECKPOINTS,
} from '../checkpoints.mts'
import { startLabWith } from './golden.mts'
import { ageLocksOfVm } from './locks.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

/** The version that the VMs were made from, as their entries say. */
const FORMER = 'debian-20200101-00c0ffee'
const LONG_MS = 1_800_000

let lab: Lab
let vms: VmWorkspace
/** The current version. */
let later: string

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
  const families = await readLockfile(join(vms.workspace.folder, 'config/templates.lock.json'))
  later = families['debian']!.current!.name
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const entryOf = async (name: string) => (await vms.registry.find(name))!
const refOf = async (name: string) => ({ node: 'pve', vmid: (await entryOf(name)).vmid })
const configOf = async (name: string): Promise<VmConfig> => getVmConfig(rootClient(lab), await refOf(name))
const power = async (name: string) => (await getVmStatus(rootClient(lab), await refOf(name))).status
const rootOf = async (name: string) => volumeOf(String((await configOf(name))['scsi0']))

async function again(command: string, args: string[]): Promise<void> {
  const { code, stderr } = await vms.run(command, args)
  expect(stderr).not.toContain('error:')
  expect(code).toBe(0)
}

/** Makes a VM, which is then said to be of a version before. Nothing here looks into a disk. */
async function make(name: string): Promise<void> {
  await again('vm', ['create', name, '--apply'])
  await changeEntry(vms.registry, name, entry => ({
    ...entry,
    template: { family: 'debian', version: FORMER },
  }))
}

async function refused(command: string, args: string[]): Promise<{ code: number | null; stderr: string }> {
  const { code, stderr } = await vms.run(command, args)
  expect(code).not.toBe(0)
  return { code, stderr }
}

/** Volumes of a VM on the storage of the disks. */
async function volumesOf(name: string): Promise<string[]> {
  const { vmid } = await refOf(name)
  const volumes = await listVolumes(rootClient(lab), { node: 'pve', storage: 'tank' }, 'images')
  return volumes.filter(one => one.vmid === vmid).map(({ volid }) => volid)
}

/** The VM runs with a version, each of its volumes is in its config, and no spare VM is left. */
async function expectWhole(name: string, version: string): Promise<void> {
  const entry = await entryOf(name)
  expect(entry).toMatchObject({ phase: 'active', failure: null, template: { family: 'debian', version } })
  expect(entry).not.toHaveProperty('rebuild')
  expect(await power(name)).toBe('running')
  const config = await configOf(name)
  const named = Object.values(config).map(value => volumeOf(String(value)))
  const volumes = await volumesOf(name)
  expect(
    volumes.filter(volid => !named.includes(volid)),
    'volumes without a name',
  ).toEqual([])
  expect(config).toMatchObject({ boot: 'order=scsi0', onboot: 1 })
  if (entry.previous !== undefined) expect(unusedIn(config)).toEqual([entry.previous.volume])
  const spares = (await listSpares()).filter(([owner]) => owner === name)
  expect(spares).toEqual([])
}

const unusedIn = (config: VmConfig): string[] =>
  Object.keys(config)
    .filter(key => key.startsWith('unused'))
    .map(key => String(config[key]))

/** Name of the VM, and VMID, of each spare VM. One that another lane removes meanwhile is left out. */
async function listSpares(): Promise<[string, number][]> {
  const client = rootClient(lab)
  const own = new Set((await vms.registry.list()).map(({ vmid }) => vmid))
  const others = (await listVmids(client)).filter(vmid => vmid < 9000 && !own.has(vmid))
  const named = others.map(async (vmid): Promise<[string, number][]> => {
    const config = await getVmConfig(client, { node: 'pve', vmid }).catch(error => {
      if (!/does not exist/.test(error.message)) throw error
    })
    return config === undefined ? [] : [[String(config['name']).replace(/-rebuild$/, ''), vmid]]
  })
  return (await Promise.all(named)).flat()
}

/** The state agrees with the VM. */
async function expectSettled(name: string): Promise<void> {
  expect(await vms.json('apply', name)).toMatchObject([{ did: 'nothing' }])
}

/** What `reconcile` says of one VM; the others are at work. */
async function findingsOf(name: string): Promise<object[]> {
  const { stdout } = await vms.run('reconcile', ['--json'])
  return (JSON.parse(stdout) as { name: string }[]).filter(one => one.name === name)
}

const rebuild = (name: string, ...more: string[]) => ['rebuild', name, '--yes', ...more]
const undo = (name: string) => ['rebuild', name, '--undo', '--yes']

describe.concurrent('vm rebuild', () => {
  test('keeps what is not the root disk, and comes back as often as one likes', {
    timeout: LONG_MS,
  }, async () => {
    await make('web')
    const client = rootClient(lab)
    const ref = await refOf('web')
    const first = await configOf('web')
    const rootDisk = String(first['scsi0']).split(',')
    await updateVmConfig(client, ref, {
      scsi1: 'tank:1',
      net1: 'virtio,bridge=vmbr0,tag=20,firewall=1',
      description: `Ask Jane first.\n\n${first['description']}`,
      scsi0: [
        ...rootDisk.filter(part => !/^(size|cache|serial)=/.test(part)),
        'cache=writeback',
        'serial=mine',
      ].join(','),
    })
    const { digest: _, ...before } = await configOf('web')
    const volumes = await volumesOf('web')
    const old = volumeOf(String(before['scsi0']))

    expect(await refused('vm', ['rebuild', 'web'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('rebuild web needs --yes'),
    })
    const { stdout } = await vms.run('vm', rebuild('web'))
    expect(stdout).toContain(`web is now made from ${later}; its root disk with ${FORMER} is kept until`)
    await expectWhole('web', later)
    const now = await configOf('web')
    const fresh = volumeOf(String(now['scsi0']))
    expect(fresh).not.toBe(old)
    const { digest: _now, unused0, ...rest } = now
    expect(unused0).toBe(old)
    expect({ ...rest, scsi0: '' }).toEqual({ ...before, scsi0: '' })
    expect(String(now['scsi0']).replace(fresh, old)).toBe(before['scsi0'])
    expect((await volumesOf('web')).sort()).toEqual([...volumes, fresh].sort())
    const { previous, history } = await entryOf('web')
    expect(previous).toMatchObject({ volume: old, version: FORMER })
    expect(history.at(-1)?.what).toBe(`rebuilt, from ${FORMER} to ${later}`)
    expect((await vms.run('vm', ['show', 'web'])).stdout).toContain(`${FORMER} on ${old}, kept until`)
    expect(await findingsOf('web')).toEqual([])
    await expectSettled('web')

    const { stdout: undone } = await vms.run('vm', undo('web'))
    expect(undone).toContain(`web has ${FORMER} again; its root disk with ${later} is kept until`)
    expect(undone).not.toContain('host key')
    await expectWhole('web', FORMER)
    expect(await rootOf('web')).toBe(old)
    await expectSettled('web')

    await again('vm', undo('web'))
    await expectWhole('web', later)
    expect(await rootOf('web')).toBe(fresh)
    await again('vm', undo('web'))

    const kept = await refused('vm', rebuild('web'))
    expect(kept).toMatchObject({ code: 3 })
    expect(kept.stderr).toContain(`a VM keeps one: ${fresh} (${later})`)
    expect(kept.stderr).toContain('zx scripts/vm.mts rebuild web --allow data-loss')
    await again('vm', rebuild('web', '--allow', 'data-loss'))
    await expectWhole('web', later)
    expect(await volumesOf('web')).not.toContain(fresh)
    expect(await rootOf('web')).not.toBe(old)

    await updateVmConfig(client, ref, { protection: 1 })
    expect((await refused('vm', undo('web'))).stderr).toContain(`qm set ${ref.vmid} --protection 0`)
    await updateVmConfig(client, ref, { protection: 0 })
    const path = `/nodes/pve/qemu/${ref.vmid}/snapshot`
    await waitForTask(client, await client.request('POST', path, { snapname: 'mine' }), { timeoutMs: 30_000 })
    expect((await refused('vm', undo('web'))).stderr).toContain('belong to its root disk: mine')
    await waitForTask(client, await client.request('DELETE', `${path}/mine`), { timeoutMs: 30_000 })
    await expectWhole('web', later)

    expect(await vms.json('gc')).toEqual([])
    await changeEntry(vms.registry, 'web', entry => ({
      ...entry,
      previous: { ...entry.previous!, until: new Date(Date.now() - 60_000).toISOString() },
    }))
    await killed('web', PREVIOUS_CHECKPOINTS[0]!, 'gc', ['--execute'])
    expect(await vms.json('gc', '--execute')).toMatchObject([
      { name: 'web', due: 'delete old disk', result: 'done' },
    ])
    expect(await volumesOf('web')).not.toContain(old)
    expect(unusedIn(await configOf('web'))).toEqual([])
    expect(await entryOf('web')).not.toHaveProperty('previous')
    await expectWhole('web', later)
  })
})

/** As `kill -9` of a run on one VM at that step. */
async function killed(name: string, step: string, command: string, args: string[]): Promise<void> {
  const { code, stdout, stderr } = await vms.run(command, args, { PROXMINT_TEST_KILL_AT: step })
  expect(code, `${step}: it must have been reached\n${stderr}`).not.toBe(0)
  expect(stdout).toBe('')
  await ageLocksOfVm(command === 'gc' ? '_gc' : name, vms.workspace.stateDir)
  await ageLocksOfVm(name, vms.workspace.stateDir)
}

const DURING = ['vm-stopped', 'vm-resume-planned', 'vm-resume-applied', 'vm-verified']
/** The first rebuild of a VM has no older disk. */
const steps = [...REBUILD_CHECKPOINTS, ...DURING].sort(
  (a, b) => Number(/older/.test(a)) - Number(/older/.test(b)),
)
const undoSteps = [...UNDO_CHECKPOINTS, 'vm-rebuild-stopped', 'vm-rebuild-swapped', 'vm-resume-applied']

const LANES = ['lane-1', 'lane-2', 'lane-3']

describe.concurrent('the next run converges after kill -9 at', () => {
  test.each(LANES.map((name, lane) => [name, steps.filter((_, index) => index % LANES.length === lane)]))(
    '%s: %j',
    { timeout: LONG_MS },
    async (name, mine) => {
      const vm = name as string
      await make(vm)
      for (const [index, step] of (mine as string[]).entries()) {
        const before = await volumesOf(vm)
        const allow = index === 0 ? [] : ['--allow', 'data-loss']
        await killed(vm, step, 'vm', rebuild(vm, ...allow))
        const next = index % 2 === 0 ? 'apply' : 'vm'
        await again(next, next === 'apply' ? [vm] : rebuild(vm, ...allow))
        await expectWhole(vm, later)
        const after = await volumesOf(vm)
        // The root disk that an earlier rebuild kept is gone, and one is new.
        const gone = before.filter(volid => !after.includes(volid))
        expect([gone.length, after.length - before.length]).toEqual(index === 0 ? [0, 1] : [1, 0])
        const undoStep = undoSteps[index % undoSteps.length]!
        await killed(vm, undoStep, 'vm', undo(vm))
        await again(next === 'apply' ? 'vm' : 'apply', next === 'apply' ? undo(vm) : [vm])
        await expectWhole(vm, FORMER)
        expect((await volumesOf(vm)).sort()).toEqual(after.sort())
        await expectSettled(vm)
      }
    },
  )

  test('a rebuild that is taken back', { timeout: LONG_MS }, async () => {
    await make('back-1')
    const before = await volumesOf('back-1')
    const root = await rootOf('back-1')
    const [restored, givenUp, turned] = TAKEN_BACK_CHECKPOINTS as [string, string, string]
    await killed('back-1', 'vm-rebuild-cloned', 'vm', rebuild('back-1'))
    expect(await listSpares()).toContainEqual(['back-1', expect.any(Number)])
    expect(await findingsOf('back-1')).toMatchObject([{ what: 'its rebuild is not finished' }])
    await killed('back-1', givenUp, 'vm', undo('back-1'))
    await expectWhole('back-1', FORMER)
    expect(await volumesOf('back-1')).toEqual(before)

    await killed('back-1', 'vm-rebuild-detached', 'vm', rebuild('back-1'))
    const between = await refused('apply', ['back-1', '--plan-only'])
    expect(between.stderr).toContain('the rebuild of back-1 is not finished')
    await killed('back-1', restored, 'vm', undo('back-1'))
    await again('apply', ['back-1'])
    await expectWhole('back-1', FORMER)
    expect(await rootOf('back-1')).toBe(root)
    expect(await volumesOf('back-1')).toEqual(before)

    await killed('back-1', 'vm-rebuild-moved', 'vm', rebuild('back-1'))
    await killed('back-1', turned, 'vm', undo('back-1'))
    await again('vm', undo('back-1'))
    await expectWhole('back-1', FORMER)
    expect(await rootOf('back-1')).toBe(root)
    expect(await entryOf('back-1')).toMatchObject({ previous: { version: later } })

    await killed('back-1', 'vm-rebuild-detached', 'vm', rebuild('back-1', '--allow', 'data-loss'))
    await again('vm', ['destroy', 'back-1', '--yes'])
    expect((await listSpares()).filter(([name]) => name === 'back-1')).toEqual([])
    const volumes = await listVolumes(rootClient(lab), { node: 'pve', storage: 'tank' }, 'images')
    expect(volumes.map(({ volid }) => volid)).not.toContain(root)
  })
})

test('every moment was tried', () => {
  expect(new Set([...steps, ...undoSteps])).toEqual(
    new Set([...REBUILD_CHECKPOINTS, ...UNDO_CHECKPOINTS, ...DURING]),
  )
})
