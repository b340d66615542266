import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { leftovers } from './leftovers.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ pveVersion: 8 })
  root = rootClient(lab)
  workspace = await createWorkspace(lab)
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

interface Checked {
  work: string
  verdict: { report: { pveMajor: number; granted: { by: { privilege: string }[] }[] }; pveum: string[] }
}

async function checkPermissions(): Promise<{ code: number | null; build: Checked }> {
  const { code, stdout } = await workspace.zx('check-permissions', ['--json'])
  return { code, build: (JSON.parse(stdout) as Checked[]).find(({ work }) => work === 'build debian')! }
}

async function setPrivileges(names: string[]): Promise<void> {
  await root.request('PUT', '/access/roles/Proxmint', { privs: names.join(',') })
}

test('Proxmox VE 8: VM.Monitor is what the guest agent takes', async () => {
  const { code, build } = await checkPermissions()
  expect(code).toBe(0)
  expect(build.verdict.report.pveMajor).toBe(8)
  const privileges = build.verdict.report.granted.flatMap(({ by }) => by.map(grant => grant.privilege))
  expect(privileges).toContain('VM.Monitor')
  expect(privileges.filter(privilege => privilege.startsWith('VM.GuestAgent'))).toEqual([])
})

test('without it the check and the build name it', async () => {
  const privileges = Object.keys(await root.request<object>('GET', '/access/roles/Proxmint'))
  await setPrivileges(privileges.filter(name => name !== 'VM.Monitor'))
  const line = "pveum role modify Proxmint -append 1 -privs 'VM.Monitor'"
  try {
    const { code, build } = await checkPermissions()
    expect(code).toBe(exitCodes.denied)
    expect(build.verdict.pveum).toEqual([line])
    const built = await workspace.zx('build', ['debian'])
    expect(built.stderr).toContain('  /vms: VM.Monitor (ask the guest agent for the address)\n')
    expect(built.stderr).toContain(`hint: as root on a node:\n  ${line}\n`)
    expect(built.code).toBe(exitCodes.denied)
  } finally {
    await setPrivileges(privileges)
  }
  expect(await leftovers(root, workspace)).toEqual([])
})

test('base import and build', async () => {
  expect(await workspace.zx('base', ['import', 'debian'])).toMatchObject({ code: 0 })
  const { code, stdout, stderr } = await workspace.zx('build', ['debian', '--json'])
  expect(stderr).not.toContain('error:')
  expect(code).toBe(0)
  const { vmid } = (JSON.parse(stdout) as { template: { vmid: number } }).template
  expect(await getVmConfig(root, { node: 'pve', vmid })).toMatchObject({
    template: 1,
    tags: expect.stringMatching(/\bcurrent;(\w{8};)?debian;(\w{8};)?proxmint-test$/),
    agent: '1',
  })
})
