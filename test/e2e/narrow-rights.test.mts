/** `check-permissions` for users whose rights are on one pool, or on one VLAN, against the lab. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { zxOutside } from './outside.mts'
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
