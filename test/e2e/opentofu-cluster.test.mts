import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterDescription } from '../../lab/cluster/description.mts'
import type { Lab } from '../../lab/create.mts'
import { cloneVm } from '../../scripts/lib/proxmox/clone-vm.mts'
import { convertToTemplate } from '../../scripts/lib/proxmox/convert-to-template.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { openFileStore } from '../../scripts/lib/registry/file/file-store.mts'
import { changeEntry } from '../change-entry.mts'
import { openTofu, type Tofu, tokenLogin } from './opentofu.mts'
import { copyVmFolders, homeIn } from './vm-workspace.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

/** Templates on shared and on local storage, and VMs of them on both nodes of a cluster, by the bpg provider. */
const cluster: ClusterDescription = {
  nodes: [{ name: 'pve' }, { name: 'pve2', cores: 4, memory: 8 }],
  storages: [
    { id: 'nas', type: 'nfs', content: ['images', 'iso'], size: 100 },
    { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
    { id: 'tank', type: 'zfspool', content: ['images'], size: 100 },
  ],
}

let lab: Lab
let workspace: Workspace
let tofu: Tofu

beforeAll(async () => {
  lab = await startLab({ cluster })
  workspace = await createWorkspace(lab)
  const base = await workspace.zx('base', ['import', 'debian'])
  expect(base, base.stderr).toMatchObject({ code: 0 })
  await templateOnLocalStorage()
  tofu = await openTofu(lab, 'opentofu-cluster', tokenLogin(lab))
})
afterAll(async () => {
  await tofu?.[Symbol.asyncDispose]()
  await workspace?.[Symbol.asyncDispose]()
  await lab?.close()
})

/** A copy of the base VM whose disks only the first node has. */
async function templateOnLocalStorage() {
  const client = rootClient(lab)
  const copy = { newid: 9950, name: 'local', description: '', full: 1, storage: 'tank' } as const
  await waitForTask(client, await cloneVm(client, { node: 'pve', vmid: 9900 }, copy), { timeoutMs: 60_000 })
  const upid = await convertToTemplate(client, { node: 'pve', vmid: 9950 })
  await waitForTask(client, upid!, { timeoutMs: 60_000 })
}

const webs = async () =>
  Object.fromEntries(
    (await listVms(rootClient(lab))).filter(vm => vm.vmid < 9000).map(vm => [vm.vmid, vm.node]),
  )

describe.sequential('a cluster by OpenTofu', () => {
  test('a VM on the second node is cloned from a template of the first', async () => {
    await tofu.apply()
    expect(await webs()).toEqual({ 201: 'pve', 202: 'pve2', 203: 'pve2' })
    expect(await getVmConfig(rootClient(lab), { node: 'pve2', vmid: 202 })).toMatchObject({
      scsi0: expect.stringMatching(/^nas:202\/vm-202-disk-0\.qcow2,.*size=8G/),
    })
    // Of the template on local storage the provider makes a clone where it is, and migrates that.
    expect(await getVmConfig(rootClient(lab), { node: 'pve2', vmid: 203 })).toMatchObject({
      scsi0: expect.stringMatching(/^tank:vm-203-disk-0,.*size=8G/),
    })
    expect(await tofu.output('nodes')).toEqual(['pve', 'pve2'])
    expect(await tofu.output('datastores')).toEqual(['local', 'nas', 'tank'])
  })

  test('guests of both nodes are on one network', async () => {
    expect(await tofu.output('addresses')).toEqual({
      pve: expect.arrayContaining(['192.168.122.201']),
      pve2: expect.arrayContaining(['192.168.122.202']),
    })
  })

  test('VMs on both nodes change in place and go', async () => {
    expect(await tofu.plan('memory=640')).toEqual({
      'proxmox_virtual_environment_vm.web["pve"]': 'update',
      'proxmox_virtual_environment_vm.web["pve2"]': 'update',
    })
    await tofu.apply('memory=640')
    expect(await getVmConfig(rootClient(lab), { node: 'pve2', vmid: 202 })).toMatchObject({ memory: '640' })
    await tofu.destroy('memory=640')
    expect(await webs()).toEqual({})
  })
})

describe.sequential('a VM that was migrated keeps its disk', () => {
  let vmid: number
  let disk: unknown
  const json = async (name: string, ...args: string[]) => {
    const env = {
      ...homeIn(workspace),
      PROXMINT_VM: join(workspace.folder, 'vm.yaml'),
      PROXMOX_STORAGE_POOL: 'nas',
    }
    const { code, stdout, stderr } = await workspace.zx(name, [...args, '--json'], env)
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout)
  }
  /** A VM that was made anew has another one. */
  const generation = async (node: string) => (await getVmConfig(rootClient(lab), { node, vmid }))['vmgenid']
  const migrate = async (from: string, target: string) => {
    const root = rootClient(lab)
    const path = `/nodes/${from}/qemu/${vmid}/migrate`
    await waitForTask(root, await root.request<string>('POST', path, { target, online: 1 }), {
      timeoutMs: 60_000,
    })
  }

  beforeAll(async () => {
    await copyVmFolders(workspace)
    await writeFile(join(workspace.folder, 'vm.yaml'), 'cloud_init: { delivery: iso, storage: nas }\n')
    const made = await json('vm', 'create', 'web-1', '--template-vmid', '9900', '--apply')
    expect(made).toMatchObject({ phase: 'active', node: 'pve' })
    vmid = made.vmid
    disk = await generation('pve')
  })

  test('when it is applied', async () => {
    await migrate('pve', 'pve2')
    const [planned] = await json('apply', 'web-1', '--plan-only')
    expect(planned.plan).not.toMatch(/proxmox_virtual_environment_vm\.this (will|must) be/)
    expect(await json('apply', 'web-1')).toMatchObject([{ did: 'changed', entry: { node: 'pve2' } }])
    const { history } = await json('vm', 'show', 'web-1')
    expect(history.at(-1).what).toBe('moved from pve to pve2')
    expect(await json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    expect(await generation('pve2')).toBe(disk)
  })

  test('when it is resumed', async () => {
    const registry = openFileStore({ folder: join(workspace.stateDir, 'registry'), purpose: 'test' })
    await changeEntry(registry, 'web-1', entry => ({ ...entry, expiresAt: new Date(0).toISOString() }))
    await registry.close()
    await json('gc', '--execute')
    await migrate('pve2', 'pve')
    expect(await json('vm', 'resume', 'web-1', '--days', '10')).toMatchObject({
      phase: 'active',
      node: 'pve',
    })
    expect(await generation('pve')).toBe(disk)
    await json('vm', 'destroy', 'web-1', '--yes')
    expect(await webs()).toEqual({})
  })
})
