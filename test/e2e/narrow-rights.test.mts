/** Users whose rights are on one pool, or on one VLAN, against the lab. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { listVmPlaces } from '../../scripts/lib/proxmox/list-vms.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { changeEntry } from '../change-entry.mts'
import { startLabWith } from './golden.mts'
import { zxOutside } from './outside.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

const PASSWORD = 'a long password'
const BRIDGE = '/sdn/zones/localnetwork/vmbr0'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  root = rootClient(lab)
  workspace = await createWorkspace(lab)
  await root.request('POST', '/pools', { poolid: 'templates' })
  await makeBase()
  await workspace.edit(
    'packer/debian/debian.pkr.hcl',
    'pool       = var.resource_pool',
    'pool       = "templates"',
  )
  await workspace.edit(
    'packer/debian/debian.pkr.hcl',
    'bridge = var.bridge',
    'bridge = var.bridge\n    vlan_tag = "20"',
  )
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

/** A base VM in the pool, with its card in VLAN 20. */
async function makeBase(): Promise<void> {
  const vm = {
    vmid: 9900,
    name: 'proxmint-base-debian-12',
    pool: 'templates',
    scsi0: 'tank:1',
    net0: 'virtio,bridge=vmbr0,tag=20',
  }
  const upid = await root.request<string>('POST', '/nodes/pve/qemu', vm)
  await waitForTask(root, upid, { timeoutMs: 20_000 })
}

/** A user with the documented role on these paths. @returns what it lacks to build debian. */
async function lacking(name: string, paths: string[]): Promise<string[]> {
  const user = `${name}@pve`
  await root.request('POST', '/access/users', { userid: user, password: PASSWORD })
  for (const path of paths) await root.request('PUT', '/access/acl', { path, users: user, roles: 'Proxmint' })
  const token = await root.request<{ value: string }>('POST', `/access/users/${user}/token/build`, {
    privsep: 0,
  })
  const env = {
    PROXMOX_USERNAME: `${user}!build`,
    PROXMOX_TOKEN: token.value,
    PROXMOX_PASSWORD: PASSWORD,
  }
  const args = ['--template', 'debian', '--json']
  const { stdout, stderr } = await zxOutside(workspace, 'check-permissions', args, { env })
  expect(stderr).toBe('')
  const works = JSON.parse(stdout) as {
    work: string
    verdict: { report: { missing: { add: { path: string; privilege: string }[] }[] } }
  }[]
  const { report } = works.find(({ work }) => work === 'build debian')!.verdict
  return report.missing.flatMap(({ add }) => add.map(({ path, privilege }) => `${path} ${privilege}`))
}

test('rights on the pool and on the VLAN are enough', async () => {
  const paths = ['/pool/templates', `${BRIDGE}/20`, '/storage/tank', '/storage/local']
  expect(await lacking('pooled', paths)).toEqual([])
})

test('rights on another VLAN are not, and the VLAN is named', async () => {
  const paths = ['/pool/templates', `${BRIDGE}/30`, '/storage/tank', '/storage/local']
  expect([...new Set(await lacking('elsewhere', paths))]).toEqual([`${BRIDGE}/20 SDN.Use`])
})

describe('a token with rights on one pool', () => {
  let pooledLab: Lab
  let vms: VmWorkspace

  beforeAll(async () => {
    pooledLab = await startLabWith('template')
    vms = await createVmWorkspace(pooledLab)
    const client = rootClient(pooledLab)
    const template = (await listVmPlaces(client)).find(({ vmid }) => vmid >= 9000 && vmid < 9900)!
    await client.request('POST', '/pools', { poolid: 'shop' })
    await client.request('PUT', '/pools', { poolid: 'shop', vms: String(template.vmid) })
    await client.request('POST', '/access/users', { userid: 'shop@pve' })
    for (const path of ['/pool/shop', '/storage/tank', '/storage/local', BRIDGE])
      await client.request('PUT', '/access/acl', { path, users: 'shop@pve', roles: 'Proxmint' })
  })
  afterAll(async () => {
    await vms?.[Symbol.asyncDispose]()
    await pooledLab?.close()
  })

  test('makes, changes and destroys a VM in it', async () => {
    const client = rootClient(pooledLab)
    const { value } = await client.request<{ value: string }>('POST', '/access/users/shop@pve/token/build', {
      privsep: 0,
    })
    const env = { PROXMOX_USERNAME: 'shop@pve!build', PROXMOX_TOKEN: value }
    const done = async (name: string, ...args: string[]) => {
      const { code, stderr, stdout } = await vms.run(name, args, env)
      expect(code, `${stderr}${stdout}`).toBe(0)
    }
    const members = async () => {
      const [pool] = await client.request<{ members: { vmid: number }[] }[]>('GET', '/pools', {
        poolid: 'shop',
      })
      return pool!.members.map(({ vmid }) => vmid)
    }
    const outside = await vms.run('vm', ['create', 'web-1', '--no-web3'], env)
    expect(outside.code).toBe(4)
    await done('vm', 'create', 'web-1', '--no-web3', '--resource-pool', 'shop', '--apply')
    expect(await members()).toContain(100)
    await changeEntry(vms.registry, 'web-1', one => ({
      ...one,
      design: { ...one.design!, memory: 1024, disks: [{ name: 'data', size: 1 }] },
    }))
    await done('apply', 'web-1', '--allow', 'reboot')
    await done('vm', 'destroy', 'web-1', '--yes')
    expect(await members()).not.toContain(100)
  })
})
