import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient

beforeAll(async () => {
  lab = await startLab()
  root = rootClient(lab)
  await using workspace = await createWorkspace(lab)
  const { code, stderr } = await workspace.zx('base', ['import', 'debian'])
  expect(stderr, 'base import').not.toContain('error:')
  expect(code).toBe(0)
})
afterAll(() => lab.close())

/** Builds with whatever Packer `setup` found and returns the VMID. */
async function build(workspace: Workspace): Promise<number> {
  const { code, stdout, stderr } = await workspace.zx('build', ['debian', '--json'])
  expect(`${stdout}${stderr}`, 'build').not.toContain('error:')
  expect(code).toBe(0)
  return (JSON.parse(stdout) as { template: { vmid: number } }).template.vmid
}

test('the base VM is a template with the agent, tagged, and its ISO is gone', async () => {
  const config = await getVmConfig(root, { node: 'pve', vmid: 9900 })
  expect(config).toMatchObject({
    name: 'proxmint-base-debian-12',
    template: 1,
    tags: 'proxmint-base;proxmint-test',
  })
  expect(config['ide2']).toContain('cloudinit')
  expect(await root.request('GET', '/nodes/pve/storage/local/content', { content: 'iso' })).toEqual([])
})

describe('build debian', () => {
  test('makes a clean VM template under the reserved VMID, and leaves no reservation', async () => {
    await using workspace = await createWorkspace(lab)
    const vmid = await build(workspace)
    const config = await getVmConfig(root, { node: 'pve', vmid })
    expect(config).toMatchObject({ template: 1, agent: '1' })
    expect(config['tags']).toMatch(/\bcurrent;(\w{8};)?debian;(\w{8};)?proxmint-test$/)
    expect(config['name']).toMatch(/^debian-\d{8}-[0-9a-f]{8}$/)
    expect(Object.keys(config)).not.toEqual(expect.arrayContaining(['ciuser']))
    expect(config).not.toHaveProperty('sshkeys')
    expect(await listReservations(workspace.stateDir)).toEqual([])
  })
})
