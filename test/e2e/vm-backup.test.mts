/** A VM that is backed up before it is destroyed, comes back from it, and goes on as the VM that it was. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { listVolumes } from '../../scripts/lib/proxmox/list-volumes.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { createSite, FROM_BASE, makeStranger } from './collisions.mts'
import { startLabWith } from './golden.mts'
import { expire } from './vm-stopped.mts'
import type { VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('base')
  vms = await createSite(lab, 'north')
  await rootClient(lab).request('POST', '/pools', { poolid: 'web' })
  await vms.workspace.edit('config/vm.yaml', /^/, 'safety: backup\nresource_pool: web\n')
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const clock = new URL('../../scripts/lib/demo/moved-clock.mts', import.meta.url).href
const web = { node: 'pve', vmid: 200 }
const local = { node: 'pve', storage: 'local' }
const backups = () => listVolumes(rootClient(lab), local, 'backup')
const power = async () => (await getVmStatus(rootClient(lab), web)).status
const found = async () => (await vms.registry.find('web-1'))!
const destroy = ['destroy', 'web-1', '--yes']

/** VMIDs in its resource pool. */
async function members(): Promise<number[]> {
  const [pool] = await rootClient(lab).request<{ members: { vmid: number }[] }[]>('GET', '/pools', {
    poolid: 'web',
  })
  return pool!.members.map(({ vmid }) => vmid)
}

/** What makes it the same machine, beside its disk. */
async function identity() {
  const { name, description, smbios1, net0, cicustom, ipconfig0 } = await getVmConfig(rootClient(lab), web)
  return { name, description, smbios1, net0, cicustom, ipconfig0 }
}

async function killed(step: string, ...args: string[]): Promise<void> {
  const { code, stdout } = await vms.run('vm', args, { PROXMINT_TEST_KILL_AT: step })
  expect([code === 0, stdout], `${step}: it must have been reached`).toEqual([false, ''])
  await vms.ageLocks()
}

async function expectAgreement(): Promise<void> {
  expect(await vms.run('reconcile', [])).toMatchObject({ code: 0 })
  expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
}

test('a VM that is to be backed up needs the privileges for it, and only then', async () => {
  const root = rootClient(lab)
  const roles = await root.request<{ roleid: string; privs: string; special?: number }[]>(
    'GET',
    '/access/roles',
  )
  const { roleid, privs } = roles.find(one => one.special !== 1 && one.privs.includes('VM.Clone'))!
  const without = privs.split(',').filter(name => name !== 'VM.Backup')
  await root.request('PUT', `/access/roles/${roleid}`, { privs: without.join(',') })
  const refused = await vms.run('vm', ['create', 'web-1', ...FROM_BASE])
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('VM.Backup')])
  expect(await vms.registry.list()).toEqual([])
  await root.request('PUT', `/access/roles/${roleid}`, { privs: 'VM.Backup', append: 1 })
  await vms.json('vm', 'create', 'web-1', ...FROM_BASE)
})

test('a backup that fails keeps the VM running', async () => {
  await lab.faults.set([{ fault: 'failing-task', match: { task: 'vzdump' }, message: 'job errors' }])
  const refused = await vms.run('vm', destroy)
  await lab.faults.clear()
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining('zx scripts/vm.mts destroy web-1 --safety none'),
  ])
  expect(await power()).toBe('running')
  expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
})

test('the VM is backed up and destroyed, and comes back as the same machine with its files', async () => {
  const [before, { id }] = [await identity(), await found()]
  const agent = '/nodes/pve/qemu/200/agent'
  await rootClient(lab).request('POST', `${agent}/file-write`, { file: '/root/kept', content: 'the same' })
  const { stdout } = await vms.run('vm', destroy)
  expect(stdout).toMatch(/web-1 is destroyed[\s\S]*its backup is local:backup\/vzdump-qemu-200-/)
  expect(await backups()).toMatchObject([{ vmid: 200, protected: 1, notes: expect.stringContaining(id) }])
  expect(await vms.left()).toEqual([])
  expect((await vms.run('vm', ['list', '--phase', 'destroyed'])).stdout).toContain('with a backup: web-1')
  const back = await vms.run('vm', ['restore', 'web-1'])
  expect(back, back.stderr).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('to power it on: zx scripts/vm.mts start'),
  })
  expect(await members()).toEqual([200])
  expect([await power(), await identity(), (await found()).id]).toEqual(['stopped', before, id])
  expect(await vms.left()).toEqual(['VM 200 web-1', `local:snippets/proxmint-web-1-${id}.yaml`, 'vms/web-1'])
  await expectAgreement()
  await vms.json('vm', 'start', 'web-1')
  const { content } = await rootClient(lab).request<{ content: string }>('GET', `${agent}/file-read`, {
    file: '/root/kept',
  })
  expect(content).toBe('the same')
  await expectAgreement()
})

describe.sequential('kill -9', () => {
  test.each(['vm-backup-made', 'vm-backed-up'])(
    'of a destroy at %s: the VM is there, and the next run ends it',
    async step => {
      const count = (await backups()).length
      await killed(step, ...destroy)
      expect([await power(), (await backups()).length]).toEqual(['stopped', count + 1])
      const newest = (await backups()).at(-1)!.volid
      expect((await found()).backup!.volid === newest).toBe(step === 'vm-backed-up')
      await vms.json('vm', ...destroy)
      expect([await vms.left(), await vms.registry.list()]).toEqual([[], []])
      await vms.json('vm', 'restore', 'web-1')
      await vms.json('vm', 'start', 'web-1')
      await expectAgreement()
    },
  )

  test.each(['vm-restore-decided', 'vm-restored', 'vm-restore-taken-up'])(
    'of a restore at %s: nothing else touches the VM, and the next run ends it',
    async step => {
      await vms.json('vm', ...destroy)
      await killed(step, 'restore', 'web-1')
      const { code, stdout } = await vms.run('reconcile', [])
      expect([code, stdout]).toEqual([1, expect.stringContaining('its restore is not finished')])
      expect((await vms.run('apply', ['web-1'])).stderr).toContain('zx scripts/vm.mts restore web-1')
      await vms.json('vm', 'restore', 'web-1')
      await vms.json('vm', 'start', 'web-1')
      expect(await power()).toBe('running')
      await expectAgreement()
    },
  )
})

test('another VM with its VMID is named, and the VM comes back with the one that is told', async () => {
  await vms.json('vm', ...destroy)
  const stranger = await makeStranger(lab, 200)
  const refused = await vms.run('vm', ['restore', 'web-1'])
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('VMID 200 is taken in Proxmox')])
  expect(await vms.registry.list()).toEqual([])
  expect(await vms.json('vm', 'restore', 'web-1', '--vmid', '250')).toMatchObject({ vmid: 250 })
  await vms.json('vm', 'start', 'web-1')
  expect(JSON.stringify(await getVmConfig(rootClient(lab), web))).toBe(stranger)
  await expectAgreement()
})

test('gc backs up what it destroys, and a month later removes our backups alone', async () => {
  const root = rootClient(lab)
  const nightly = { vmid: 250, storage: 'local', 'notes-template': 'nightly' }
  await waitForTask(root, await root.request<string>('POST', '/nodes/pve/vzdump', nightly), {
    timeoutMs: 60_000,
  })
  const count = (await backups()).length
  await expire(vms, 'web-1')
  await vms.json('gc', '--execute')
  await vms.json('gc', '--execute', '--grace-days', '0')
  expect([await vms.registry.list(), (await backups()).length]).toEqual([[], count + 1])
  await lab.faults.set([{ fault: 'clock-skew', seconds: 40 * 86_400 }])
  const { code, stdout } = await vms.run('gc', ['--execute'], { NODE_OPTIONS: `--import=${clock}?days=40` })
  await lab.faults.clear()
  expect([code, stdout]).toEqual([0, expect.stringContaining('remove backup')])
  expect(await backups()).toMatchObject([{ notes: 'nightly' }])
  expect((await vms.run('vm', ['restore', 'web-1', '--days', '5'])).stderr).toContain('cannot be read')
})
