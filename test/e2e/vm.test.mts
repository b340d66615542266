import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { VM_OPTIONS } from '../../scripts/lib/config/vm-options.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { changeEntry } from '../change-entry.mts'
import { startLabWith } from './golden.mts'
import { filesBelow } from './leftovers.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

/** The life of VMs with the real OpenTofu and its provider, on a VM template that Packer built. */
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

const web = { node: 'pve', vmid: 100 }
const config = () => getVmConfig(rootClient(lab), web)
const power = async () => (await getVmStatus(rootClient(lab), web)).status
/** Types of the latest tasks of the node, by UPID. */
const tasks = async () => {
  const all = await rootClient(lab).request<{ upid: string; type: string }[]>('GET', '/nodes/pve/tasks')
  return new Map(all.map(({ upid, type }) => [upid, type]))
}
const expire = (name: string) =>
  changeEntry(vms.registry, name, entry => ({
    ...entry,
    expiresAt: new Date(Date.now() - 60_000).toISOString(),
  }))

describe.sequential('the life of a VM', () => {
  test('--mock shows what would be made, and touches nothing', async () => {
    const { entry, configuration } = await vms.json('vm', 'create', 'web-1', '--mock', '--cpu', '3')
    expect(entry).toMatchObject({ name: 'web-1', vmid: 100, phase: 'reserved' })
    expect(configuration.module.vm).toMatchObject({ name: 'web-1', cores: 3, started: false })
    expect(await vms.json('vm', 'list')).toEqual([])
    expect(await vms.left()).toEqual([])
  })

  test('a privilege that is missing is found before anything is reserved', async () => {
    const root = rootClient(lab)
    const roles = await root.request<{ roleid: string; privs: string }[]>('GET', '/access/roles')
    const { privs } = roles.find(({ roleid }) => roleid === 'Proxmint')!
    const without = privs.split(',').filter(privilege => privilege !== 'Datastore.Allocate')
    await root.request('PUT', '/access/roles/Proxmint', { privs: without.join(',') })
    const refused = await vms.run('vm', ['create', 'web-1'])
    await root.request('PUT', '/access/roles/Proxmint', { privs })
    expect(refused.code).toBe(4)
    expect(refused.stderr).toContain('/storage/local: Datastore.Allocate (find the folder of the snippet')
    expect(await vms.registry.list()).toEqual([])
  })

  test('a cloud-init template that is not there is found before anything is reserved', async () => {
    const refused = await vms.run('vm', ['create', 'web-1', '--cloud-init', 'devbx'])
    expect(refused.stderr).toContain('unknown cloud-init template devbx; did you mean devbox?')
    expect(refused.code).toBe(2)
    expect(await vms.registry.list()).toEqual([])
  })

  test('created without --apply it is reserved only, and its plan can be looked at', async () => {
    const { code, stdout, stderr } = await vms.run('vm', [
      ...['create', 'web-1', '--purpose', 'shop', '--tags', 'web', '--cpu', '1'],
    ])
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('web-1 is reserved, and its configuration is written')
    expect(await vms.left()).toEqual(['vms/web-1'])
    const [planned] = await vms.json('apply', 'web-1', '--plan-only')
    expect(planned).toMatchObject({ did: 'planned', entry: { phase: 'reserved' } })
    expect(planned.plan).toContain('proxmox_virtual_environment_vm.this will be created')
    expect(await vms.left()).toEqual(['vms/web-1'])
  })

  test('apply makes it, boots it and looks at it', async () => {
    const [made] = await vms.json('apply', 'web-1')
    expect(made).toMatchObject({ did: 'made', entry: { phase: 'active', vmid: 100, failure: null } })
    expect(await config()).toMatchObject({ name: 'web-1', cores: 1, tags: 'proxmint-test;web', onboot: 1 })
    expect((await config())['cpu']).toContain('x86-64-v2-AES')
    expect((await config())['cicustom']).toBe(`user=local:snippets/proxmint-web-1-${made.entry.id}.yaml`)
    expect(await vms.json('vm', 'create', 'web-1', '--apply')).toEqual(made.entry)
  })

  test('no secret is left in its folder or in its log', async () => {
    const { folder, stateDir } = vms.workspace
    const files = (await filesBelow(join(folder, 'vms/web-1'))).filter(
      file => !file.startsWith('.terraform/'),
    )
    const paths = [...files.map(file => join(folder, 'vms/web-1', file)), join(stateDir, 'logs/vm-web-1.log')]
    expect(files).toEqual(expect.arrayContaining(['main.tf.json', 'terraform.tfstate', 'tfplan']))
    expect(await readFile(paths.at(-1)!, 'utf8')).toContain('Apply complete!')
    const secrets = [
      lab.tokenEnv['PROXMOX_TOKEN']!,
      (await readFile(lab.nodeSsh.privateKeyFile, 'utf8')).split('\n')[1]!,
    ]
    for (const path of paths) {
      const text = await readFile(path, 'latin1')
      expect(
        secrets.filter(secret => text.includes(secret)),
        path,
      ).toEqual([])
    }
  })

  test('reconcile finds that all agree, and mends an empty folder', async () => {
    expect(await vms.json('reconcile')).toEqual([])
    await mkdir(join(vms.workspace.folder, 'vms/ghost'))
    expect(await vms.run('reconcile', [])).toMatchObject({ code: 1 })
    expect(await vms.json('reconcile', '--fix')).toMatchObject([{ name: 'ghost', fixed: true }])
    expect(await vms.json('reconcile')).toEqual([])
    expect(await vms.json('report')).toMatchObject({ vms: 1, reconciled: { findings: [] } })
  })

  test('apply of an active VM applies what differs, or says that nothing does', async () => {
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    await updateVmConfig(rootClient(lab), web, { tags: 'proxmint-test' })
    expect(await vms.json('apply')).toMatchObject([
      { did: 'changed', changes: [{ what: 'tags', from: 'proxmint-test', to: 'proxmint-test web' }] },
    ])
    expect(await config()).toMatchObject({ tags: 'proxmint-test;web' })
  })

  test('a pool that moved away changes nothing about a VM that runs, and is told', async () => {
    const file = join(vms.workspace.folder, 'moved.yaml')
    await writeFile(file, 'pools:\n  default: { addresses: 10.0.0.10-10.0.0.99, prefix: 24 }\n')
    const moved = { PROXMINT_POOLS: file }
    const reason = 'the address 192.168.122.200 is not in the pool default'
    const applied = await vms.run('apply', ['web-1'], moved)
    expect(applied.code, applied.stderr).toBe(0)
    expect(applied.stderr).toContain(`warning: web-1 stays as it is, although ${reason}`)
    expect(applied.stdout).toContain('nothing differs')
    const found = await vms.run('reconcile', [], moved)
    expect(found).toMatchObject({ code: 1, stdout: expect.stringContaining(`web-1: ${reason}`) })
    expect(await power()).toBe('running')
  })

  test('one that was designed before CPU models were a choice keeps the one it was made with', async () => {
    const { design } = (await vms.registry.find('web-1'))!
    const { cpuType: _, ...before } = design!
    await changeEntry(vms.registry, 'web-1', entry => ({ ...entry, design: before }))
    const [planned] = await vms.json('apply', 'web-1', '--plan-only')
    expect(planned.plan).toContain('CPU type x86-64-v2-AES -> qemu64')
    expect(planned.plan).toContain('It needs --allow reboot.')
    expect(planned.changes).toEqual([
      { what: 'CPU type', from: 'x86-64-v2-AES', to: 'qemu64', cost: 'reboot' },
    ])
    await changeEntry(vms.registry, 'web-1', entry => ({ ...entry, design }))
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
  })

  test('a change of an option costs what the table says', async () => {
    const { design } = (await vms.registry.find('web-1'))!
    const changes = {
      tags: [...design!.tags, 'later'],
      disk: design!.disk + 1,
      cores: design!.cores + 1,
      memory: design!.memory + 512,
      agentTimeout: '9m',
    }
    const tasksOf = { nothing: [], hot: ['resize'], reboot: ['qmreboot'] }
    for (const name of Object.keys(changes) as (keyof typeof changes)[]) {
      const known = await tasks()
      await changeEntry(vms.registry, 'web-1', entry => ({
        ...entry,
        design: { ...entry.design!, [name]: changes[name] },
      }))
      const needed = VM_OPTIONS[name].change === 'reboot'
      if (needed) {
        const refused = await vms.run('apply', ['web-1'])
        expect(refused.code, name).toBe(3)
        expect(refused.stderr, name).toContain('to agree: zx scripts/apply.mts web-1 --allow reboot')
      }
      const agreed = needed ? ['--allow', 'reboot'] : []
      expect(await vms.json('apply', 'web-1', ...agreed), name).toMatchObject([{ did: 'changed' }])
      const begun = [...(await tasks())].filter(([upid]) => !known.has(upid)).map(([, type]) => type)
      // Terraform has the agent's, and reboots in its own way.
      const expected = name === 'agentTimeout' ? ['qmshutdown', 'qmstart'] : tasksOf[VM_OPTIONS[name].change]
      expect(begun.sort(), name).toEqual(expected)
    }
  })

  test('another VM template is no reason to make it anew', async () => {
    const { design } = (await vms.registry.find('web-1'))!
    const { node, vmid } = design!.template!
    const another = { ...design!, template: { node, vmid: vmid + 1 } }
    await changeEntry(vms.registry, 'web-1', entry => ({ ...entry, design: another }))
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    await changeEntry(vms.registry, 'web-1', entry => ({ ...entry, design }))
  })

  test('a plan that would make it anew is refused with its cause, and shown where that was agreed to', async () => {
    const { design } = (await vms.registry.find('web-1'))!
    // As the table says of this option.
    expect(VM_OPTIONS.fileStorage.change).toBe('data')
    const cloudInit = { ...design!.cloudInit, storage: 'other' }
    await changeEntry(vms.registry, 'web-1', entry => ({ ...entry, design: { ...design!, cloudInit } }))
    for (const args of [['web-1'], ['web-1', '--plan-only']]) {
      const { code, stderr } = await vms.run('apply', args)
      expect(code).toBe(3)
      expect(stderr).toContain('the plan would destroy web-1 and create a new VM in its place')
      expect(stderr).toContain('attributes: initialization.0.user_data_file_id')
    }
    const [planned] = await vms.json('apply', 'web-1', '--plan-only', '--allow-replace', 'web-1')
    expect(planned.plan).toContain('must be replaced')
    await changeEntry(vms.registry, 'web-1', entry => ({ ...entry, design }))
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    expect(await power()).toBe('running')
  })

  test('gc tells what is due, and does nothing', async () => {
    expect(await vms.json('gc')).toEqual([])
    await expire('web-1')
    expect(await vms.json('gc')).toMatchObject([{ name: 'web-1', due: 'suspend', result: 'due' }])
    expect(await power()).toBe('running')
  })

  test('gc refuses a clock that is a month ahead of the other, whichever is wrong', async () => {
    for (const days of [31, -31]) {
      await lab.faults.set([{ fault: 'clock-skew', seconds: days * 86_400 }])
      const refused = await vms.run('gc', ['--execute'])
      await lab.faults.clear()
      expect(refused.stderr).toContain('differ by more than 5 minutes')
      expect(refused.code).toBe(1)
    }
    expect(await power()).toBe('running')
  })

  test('gc suspends what expired; no apply wakes it, and neither does its node', async () => {
    expect(await vms.json('gc', '--execute')).toMatchObject([{ due: 'suspend', result: 'done' }])
    expect(await vms.json('vm', 'list', '--phase', 'active')).toEqual([])
    expect(await vms.json('vm', 'list', '--phase', 'suspended')).toMatchObject([{ name: 'web-1' }])
    expect(await vms.run('vm', ['list', '--phase', 'asleep'])).toMatchObject({ code: 2 })
    expect(await power()).toBe('stopped')
    expect(await vms.json('apply', 'web-1')).toMatchObject([
      { did: 'nothing', entry: { phase: 'suspended' } },
    ])
    expect(await power()).toBe('stopped')
    expect(await config()).toMatchObject({ onboot: 0 })
    expect(await vms.json('gc', '--execute')).toEqual([])
  })

  test('resume refuses what is expired, and takes days', async () => {
    expect(await vms.run('vm', ['resume', 'web-1'])).toMatchObject({ code: 2 })
    expect(await power()).toBe('stopped')
    expect(await vms.json('vm', 'resume', 'web-1', '--days', '10')).toMatchObject({ phase: 'active' })
    expect(await power()).toBe('running')
    const expiry = Date.parse((await vms.json('vm', 'show', 'web-1')).expiresAt)
    expect(expiry - Date.now()).toBeGreaterThan(9.9 * 86_400_000)
    await vms.json('vm', 'extend', 'web-1', '--days', '10')
    expect(Date.parse((await vms.json('vm', 'show', 'web-1')).expiresAt) - expiry).toBe(864_000_000)
  })

  test('gc destroys after the grace, and leaves nothing', async () => {
    await expire('web-1')
    await vms.json('gc', '--execute')
    expect(await vms.json('gc', '--grace-days', '0')).toMatchObject([{ due: 'destroy' }])
    expect(await vms.json('gc', '--execute', '--grace-days', '0')).toMatchObject([{ result: 'done' }])
    expect(await vms.left()).toEqual([])
    expect(await vms.registry.list()).toEqual([])
  })
})

describe.sequential('user-data in an ISO', () => {
  test('gives the VM its address too', async () => {
    await writeFile(join(vms.workspace.folder, 'vm.yaml'), 'cloud_init:\n  delivery: iso\n')
    const file = { PROXMINT_VM: join(vms.workspace.folder, 'vm.yaml') }
    const made = await vms.run('vm', ['create', 'seed-1', '--apply', '--json'], file)
    expect(made.code, made.stderr).toBe(0)
    const { vmid, phase, id } = JSON.parse(made.stdout)
    expect(phase).toBe('active')
    const found = await getVmConfig(rootClient(lab), { node: 'pve', vmid })
    expect(found['ide2']).toContain(`local:iso/proxmint-seed-1-${id}.iso`)
    expect(await vms.json('apply', 'seed-1')).toMatchObject([{ did: 'nothing' }])
  })

  test('is uploaded once more where the state is from before its checksum was looked at; the VM stays', async () => {
    const file = join(vms.workspace.folder, 'vms/seed-1/terraform.tfstate')
    const text = await readFile(file, 'utf8')
    const before = text.replace(/"checksum": "[0-9a-f]{64}"/, '"checksum": ""')
    expect(before).not.toBe(text)
    await writeFile(file, before)
    const [planned] = await vms.json('apply', 'seed-1', '--plan-only')
    expect(planned.plan).toContain('proxmox_virtual_environment_file.seed[0] must be replaced')
    expect(planned.plan).not.toMatch(/proxmox_virtual_environment_vm\.this (will|must) be/)
    expect(await vms.json('apply', 'seed-1')).toMatchObject([{ did: 'changed' }])
    expect(await vms.json('apply', 'seed-1')).toMatchObject([{ did: 'nothing' }])
  })

  test('is gone with the VM', async () => {
    expect(await vms.run('vm', ['destroy', 'seed-1'])).toMatchObject({ code: 2 })
    await vms.json('vm', 'destroy', 'seed-1', '--yes')
    expect(await vms.left()).toEqual([])
  })
})

test('defect of the predecessor: a failed apply left an active record, an address and a file', async () => {
  await lab.faults.set([
    { fault: 'failing-task', match: { task: 'qmclone' }, percent: 40, message: 'copy failed: I/O error' },
  ])
  const stopped = await vms.run('vm', ['create', 'bad-1', '--apply'])
  expect(stopped.stderr).toContain('bad-1 is kept; to go on: zx scripts/apply.mts bad-1')
  expect(await vms.registry.find('bad-1')).toMatchObject({ phase: 'reserved', failure: { step: 'create' } })
  const failed = await vms.run('vm', ['create', 'bad-1', '--apply', '--rollback'])
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain('rolled back: VM')
  await lab.faults.clear()
  expect(await vms.left()).toEqual([])
  expect(await vms.registry.list()).toEqual([])
})

test('a VM whose cloud-init template is gone by now can be destroyed', async () => {
  const template = join(vms.workspace.folder, 'cloud-init/templates/mine.yaml')
  await cp(join(vms.workspace.folder, 'cloud-init/templates/minimal.yaml'), template)
  expect(await vms.run('vm', ['create', 'mine-1', '--cloud-init', 'mine', '--apply'])).toMatchObject({
    code: 0,
  })
  await rm(template)
  const destroyed = await vms.run('vm', ['destroy', 'mine-1', '--yes'])
  expect(destroyed.code, destroyed.stderr).toBe(0)
  expect(await vms.registry.list()).toEqual([])
  expect(await vms.left()).toEqual([])
})

test('a fleet is made, with one that fails, and reconciled', async () => {
  const file = join(vms.workspace.folder, 'fleet.yaml')
  await writeFile(file, 'vms:\n  a-1: { cpu: 1, node: auto }\n  a-2: { node: nowhere }\n')
  const { code, stdout, stderr } = await vms.run('vm', ['create', '--from', file, '--apply'])
  expect(code, stderr).toBe(7)
  expect(stdout).toMatch(/^a-1 +active .* made$/m)
  expect(stdout).toMatch(/^a-2 .* failed: unknown node nowhere/m)
  expect(await vms.json('vm', 'list')).toMatchObject([{ name: 'a-1', node: 'pve', phase: 'active' }])
  expect(await vms.json('reconcile')).toEqual([])
})

describe.sequential('the state of a VM that runs', () => {
  const state = (name: string) => join(vms.workspace.folder, 'vms', name, 'terraform.tfstate')
  const place = async () => ({ node: 'pve', vmid: (await vms.registry.find('a-1'))!.vmid })
  const running = async () => (await getVmStatus(rootClient(lab), await place())).status

  test('is of no use to a VM of another entry, neither to make nor to destroy it', async () => {
    await vms.json('vm', 'create', 'b-1')
    await cp(state('a-1'), state('b-1'))
    for (const [command, args] of [
      ['apply', ['b-1']],
      ['vm', ['destroy', 'b-1', '--yes']],
    ] as const) {
      const refused = await vms.run(command, [...args])
      expect(refused.stderr).toContain('the state of b-1 has another VM, not b-1 with the VMID')
      expect(refused.code).toBe(3)
      expect(await running()).toBe('running')
    }
    await rm(state('b-1'))
    await vms.json('vm', 'destroy', 'b-1', '--yes')
    expect(await running()).toBe('running')
    expect(await vms.json('apply', 'a-1')).toMatchObject([{ did: 'nothing' }])
  })

  test('is not made up for: no plan makes anew what is there', async () => {
    await rename(state('a-1'), `${state('a-1')}.kept`)
    const before = await getVmConfig(rootClient(lab), await place())
    for (const more of [[], ['--allow-replace', 'a-1']]) {
      const refused = await vms.run('apply', ['a-1', ...more])
      expect(refused.stderr).toContain('the state of a-1 is lost')
      expect(refused.code).toBe(3)
    }
    expect(await getVmConfig(rootClient(lab), await place())).toEqual(before)
    await rename(`${state('a-1')}.kept`, state('a-1'))
    expect(await vms.json('apply', 'a-1')).toMatchObject([{ did: 'nothing' }])
  })

  test.each([
    ['cut in the middle', (text: string) => text.slice(0, text.length / 2)],
    ['overwritten', () => 'garbage\n'],
  ])('is not needed to destroy it: %s', async (what, damage) => {
    await vms.json('vm', 'create', 'c-1', '--apply')
    const whole = await readFile(state('c-1'), 'utf8')
    await writeFile(state('c-1'), damage(whole))
    const { id } = (await vms.registry.find('c-1'))!
    const refused = await vms.run('apply', ['c-1'])
    expect(refused.stderr).toContain('the state of the VM is damaged: vms/NAME/terraform.tfstate')
    expect(refused.code).toBe(1)
    const destroyed = await vms.run('vm', ['destroy', 'c-1', '--yes'])
    expect(destroyed.code, destroyed.stderr).toBe(0)
    expect(await vms.registry.find('c-1')).toBeUndefined()
    expect((await vms.left()).filter(one => one.includes('c-1'))).toEqual([])
    const kept = join(vms.workspace.stateDir, 'broken-states', `c-1-${id}.tfstate`)
    expect(await readFile(kept, 'utf8'), what).toBe(damage(whole))
  })

  test('is given up with a node that left the cluster', async () => {
    const text = await readFile(state('a-1'), 'utf8')
    await writeFile(state('a-1'), text.replaceAll('"node_name": "pve"', '"node_name": "pve9"'))
    const destroyed = await vms.run('vm', ['destroy', 'a-1', '--yes'])
    expect(destroyed.code, destroyed.stderr).toBe(0)
    expect(destroyed.stderr).toContain('warning: pve9 left the cluster')
    expect(await vms.registry.list()).toEqual([])
    expect(await vms.left()).toEqual([])
  })
})
