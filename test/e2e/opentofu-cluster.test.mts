import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterDescription } from '../../lab/cluster/description.mts'
import type { Lab } from '../../lab/create.mts'
import { cloneVm } from '../../scripts/lib/proxmox/clone-vm.mts'
import { convertToTemplate } from '../../scripts/lib/proxmox/convert-to-template.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { openTofu, type Tofu, tokenLogin } from './opentofu.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

/** Templates on shared and on local storage, and VMs of them on both nodes of a cluster, by the bpg provider. */
const cluster: ClusterDescription = {
  nodes: [{ name: 'pve' }, { name: 'pve2', cores: 4, memory: 8 }],
  storages: [
    { id: 'nas', type: 'nfs', content: ['images'], size: 100 },
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
