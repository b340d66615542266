/**
 * On a Proxmox whose list of the whole cluster never catches up, everything works that needs no Packer: names, status and
 * template flags come from the nodes.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { listVmPlaces } from '../../scripts/lib/proxmox/list-vms.mts'
import { startVm } from '../../scripts/lib/proxmox/start-vm.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { updateVmConfig } from '../../scripts/lib/proxmox/update-vm-config.mts'
import { createSite, FROM_BASE } from './collisions.mts'
import { startLabWith } from './golden.mts'
import type { VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('base', { staleSeconds: 3600 })
  vms = await createSite(lab, 'north')
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const web = { node: 'pve', vmid: 200 }
const clock = new URL('../../scripts/lib/demo/moved-clock.mts', import.meta.url).href

async function finished(upid: string): Promise<void> {
  await waitForTask(rootClient(lab), upid, { timeoutMs: 30_000 })
}

/** Makes a VM template behind the toolkit's back: the list has neither its name nor its flag. */
async function makeTemplate(vmid: number, name: string): Promise<void> {
  const root = rootClient(lab)
  await finished(await root.request('POST', '/nodes/pve/qemu', { vmid, name }))
  await finished(await root.request('POST', `/nodes/pve/qemu/${vmid}/template`))
}

const reconcile = async () => (await vms.run('reconcile', [])).stdout

describe.sequential('VM templates', () => {
  test('a base VM that was just made is found, and no second one is made', async () => {
    await makeTemplate(9950, 'proxmint-base-debian-13')
    const config = 'config/proxmint.yaml'
    await vms.workspace.edit(
      config,
      'images:',
      'images:\n  debian-13: { url: http://127.0.0.1:1/debian-13.qcow2 }',
    )
    const { code, stderr, stdout } = await vms.run('base', ['import', 'debian-13'])
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('9950')
    expect((await listVmPlaces(rootClient(lab))).filter(({ vmid }) => vmid >= 9900)).toHaveLength(2)
    const { stdout: seen } = await vms.run('doctor', [])
    expect(seen).toContain('proxmint-base-debian-12')
  })

  test('what was just converted is a VM template for its test', async () => {
    await makeTemplate(9001, 'odd')
    const { stderr } = await vms.run('templates', ['test', '9001'])
    expect(stderr).toContain('VM 9001 (odd) belongs to no template family')
  })
})

describe.sequential('a VM', () => {
  test('that was just made is what it is to be', async () => {
    await vms.json('vm', 'create', 'web-1', ...FROM_BASE)
    expect(await reconcile()).toContain('agree')
    expect(await vms.json('vm', 'list')).toMatchObject([{ name: 'web-1', vmid: 200 }])
  })

  test('another name is seen at once, and so is its own again', async () => {
    await updateVmConfig(rootClient(lab), web, { name: 'other' })
    expect(await reconcile()).toContain('VM 200 on pve is named other')
    await updateVmConfig(rootClient(lab), web, { name: 'web-1' })
    expect(await reconcile()).toContain('agree')
  })

  test('suspended, and started by somebody: gc powers it off', async () => {
    await lab.faults.set([{ fault: 'clock-skew', seconds: 31 * 86_400 }])
    const gc = () => vms.run('gc', ['--execute'], { NODE_OPTIONS: `--import=${clock}?days=31` })
    expect((await gc()).stdout).toMatch(/web-1 .*suspend +done/)
    await finished(await startVm(rootClient(lab), web))
    expect(await reconcile()).toContain('it is suspended, but VM 200 is running')
    expect((await gc()).stdout).toMatch(/web-1 .*power off +done/)
    await lab.faults.clear()
  })

  test('its VMID is used again at once, by a VM of another name', async () => {
    const destroyed = await vms.run('vm', ['destroy', 'web-1', '--yes'])
    expect(destroyed.code, destroyed.stderr).toBe(0)
    await vms.json('vm', 'create', 'web-2', '--vmid', '200', ...FROM_BASE)
    expect(await vms.registry.find('web-2')).toMatchObject({ vmid: 200, phase: 'active' })
    expect(await reconcile()).toContain('agree')
  })

  test('that the registry lost is taken up under its name', async () => {
    await rm(join(vms.workspace.stateDir, 'registry'), { recursive: true })
    await rm(join(vms.workspace.stateDir, 'registry.last'), { force: true })
    await rm(join(vms.workspace.folder, 'vms'), { recursive: true })
    expect((await vms.run('vm', ['list'])).stderr).toContain('the registry here has no VM: web-2 (200)')
    const adopted = await vms.run('vm', ['adopt', 'web-2', '--apply'])
    expect(adopted.code, adopted.stderr).toBe(0)
    expect(await vms.registry.find('web-2')).toMatchObject({ vmid: 200 })
  })
})
