import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
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
    const tags = String(config['tags']).split(';')
    expect(tags).toHaveLength(4)
    expect(tags).toEqual(expect.arrayContaining(['proxmint-test', 'debian', 'current']))
    expect(config['name']).toMatch(/^debian-\d{8}-[0-9a-f]{8}$/)
    expect(Object.keys(config)).not.toEqual(expect.arrayContaining(['ciuser']))
    expect(config).not.toHaveProperty('sshkeys')
    expect(await listReservations(workspace.stateDir)).toEqual([])
  })
})

describe.sequential('by UEFI with a TPM', () => {
  const keys = 'firmware: uefi\n    tpm: true'
  const firmware = { kind: 'uefi', secureBoot: false, tpm: true }
  const inProxmox = {
    machine: 'q35',
    bios: 'ovmf',
    efidisk0: expect.stringContaining('efitype=4m,pre-enrolled-keys=0,'),
    tpmstate0: expect.stringContaining('version=v2.0'),
  }
  let vms: VmWorkspace
  const buildIt = (...more: string[]) => vms.run('build', ['debian', '--var', 'debian_release=13', ...more])

  beforeAll(async () => {
    vms = await createVmWorkspace(lab, ({ edit }) =>
      edit('config/proxmint.yaml', '  debian-12:\n', `  debian-13:\n    ${keys}\n`),
    )
  })
  afterAll(() => vms?.[Symbol.asyncDispose]())

  test('base import makes such a base VM, and refuses one that is another', async () => {
    const { code, stderr } = await vms.run('base', ['import', 'debian-13'])
    expect(code, stderr).toBe(0)
    const base = await getVmConfig(root, { node: 'pve', vmid: 9901 })
    expect(base).toMatchObject({ template: 1, ...inProxmox })
    expect((await vms.run('base', ['import', 'debian-13'])).stdout).toContain('already there')
    await vms.workspace.edit(
      'config/proxmint.yaml',
      'firmware: uefi',
      'firmware: uefi\n    secure_boot: true',
    )
    const refused = await vms.run('base', ['import', 'debian-13'])
    await vms.workspace.edit('config/proxmint.yaml', '\n    secure_boot: true', '')
    expect(refused.stderr).toContain('error: proxmint-base-debian-13, VM 9901, has no secure boot\n')
    expect(refused.code).toBe(3)
  })

  test('a family of another firmware is refused before Packer runs', async () => {
    const file = 'packer/debian/family.yaml'
    await vms.workspace.edit(file, '\nexemptions:', '\nfirmware: bios\nexemptions:')
    const { code, stderr } = await buildIt('--dry-run')
    expect(stderr).toContain(`  - ${file}: the VM template would have UEFI, not BIOS\n`)
    expect(code).toBe(3)
    await vms.workspace.edit(file, 'firmware: bios', 'firmware: uefi\ntpm: true')
  })

  test('a build makes a VM template that has all three, and says so', async () => {
    const { code, stdout, stderr } = await buildIt('--json')
    expect(code, stderr).toBe(0)
    const { vmid } = JSON.parse(stdout).template
    expect(await getVmConfig(root, { node: 'pve', vmid })).toMatchObject({ template: 1, ...inProxmox })
    const [version] = await vms.json('templates', 'list')
    expect(version).toMatchObject({ channel: 'current', firmware, inputs: { firmware: expect.any(String) } })
    const { stdout: table } = await vms.run('templates', ['list'])
    expect(table).toContain('UEFI with TPM 2.0')
    expect(JSON.parse((await buildIt('--json', '--if-changed')).stdout).reason).toContain(
      'is built from the same',
    )
  })

  test('a VM has them from its VM template, and Terraform leaves them alone', async () => {
    const made = await vms.run('vm', ['create', 'web-1', '--apply'])
    expect(made.code, made.stderr).toBe(0)
    const { vmid } = (await vms.registry.list())[0]!
    const vm = await getVmConfig(root, { node: 'pve', vmid })
    expect(vm).toMatchObject(inProxmox)
    for (const slot of ['efidisk0', 'tpmstate0']) expect(vm[slot]).toMatch(new RegExp(`vm-${vmid}-disk-`))
    const shown = await vms.json('vm', 'show', 'web-1')
    expect(shown.views.proxmox).toMatchObject({ firmware, drift: [], foreign: [] })
    expect((await vms.run('vm', ['show', 'web-1'])).stdout).toMatch(/^ {2}firmware {3}UEFI with TPM 2.0$/m)
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    expect((await vms.run('vm', ['destroy', 'web-1', '--yes'])).code).toBe(0)
    expect(await vms.left()).toEqual([])
  })
})
