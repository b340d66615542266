import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { startLabWith } from './golden.mts'
import { openExample, openTofu, type Tofu, tokenLogin } from './opentofu.mts'
import { createWorkspace, rootClient, type Workspace } from './workspace.mts'

/** OpenTofu (or Terraform) with the real bpg/proxmox provider, against the lab. */
let lab: Lab
let workspace: Workspace
let tofu: Tofu

beforeAll(async () => {
  lab = await startLabWith('base')
  workspace = await createWorkspace(lab)
  tofu = await openTofu(lab, 'opentofu', tokenLogin(lab))
})
afterAll(async () => {
  await tofu?.[Symbol.asyncDispose]()
  await workspace?.[Symbol.asyncDispose]()
  await lab?.close()
})

const made = async (): Promise<number[]> =>
  (await listVms(rootClient(lab)))
    .map(vm => vm.vmid)
    .filter(vmid => vmid < 9000)
    .sort((a, b) => a - b)

test('three VMs are created, changed, stopped, replaced and destroyed, with an empty plan after each step, in under 60 s', async () => {
  const start = performance.now()
  await tofu.apply()
  expect(await made()).toEqual([100, 101, 102])
  expect(await tofu.output('addresses')).toEqual(
    [200, 201, 202].map(host => ['127.0.0.1', `192.168.122.${host}`]),
  )

  await tofu.apply('cores=2')
  expect(await getVmConfig(rootClient(lab), { node: 'pve', vmid: 101 })).toMatchObject({
    cores: 2,
    tags: 'proxmint;web',
  })

  await tofu.apply('cores=2', 'started=false')
  const statuses = (await listVms(rootClient(lab))).filter(vm => vm.vmid < 9000).map(vm => vm.status)
  expect(statuses).toEqual(['stopped', 'stopped', 'stopped'])

  await tofu.apply('cores=2', 'first_vmid=110')
  expect(await made()).toEqual([110, 111, 112])

  await tofu.destroy()
  expect(await made()).toEqual([])
  expect((performance.now() - start) / 1000).toBeLessThan(60)
})

test('the example of plain VMs makes two from a VM template, by the API token alone', async () => {
  await using example = await openExample(lab, 'plain-vms', tokenLogin(lab))
  const templates = { debian: { version: 'debian-1', nodes: { pve: { vmid: 9900, storage: 'tank' } } } }
  const variables = [
    `templates=${JSON.stringify(templates)}`,
    'ssh_keys=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl jane"]',
  ]
  await example.apply(...variables)
  expect(await example.output('addresses')).toEqual({
    db: expect.arrayContaining(['192.168.122.181']),
    web: expect.arrayContaining(['192.168.122.180']),
  })
  expect(await getVmConfig(rootClient(lab), { node: 'pve', vmid: 5001 })).toMatchObject({
    ciuser: 'admin',
    tags: 'debian-1;example',
  })
  await example.destroy(...variables)
  expect(await made()).toEqual([])
})
