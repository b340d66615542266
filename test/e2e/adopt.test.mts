/** VMs whose registry and states are lost are taken up again, with the real OpenTofu and its provider. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import type { Entry } from '../../scripts/lib/registry/entry.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace
/** Entries before the registry was lost, by name. */
const before = new Map<string, Entry>()
/** Configs in Proxmox at that time, by VMID. */
let configs: object[]

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const backup = () => join(vms.workspace.folder, 'backup.json')
const VMIDS = [100, 101]
const configsNow = () => Promise.all(VMIDS.map(vmid => getVmConfig(rootClient(lab), { node: 'pve', vmid })))

describe.sequential('a clone of the repository without the registry', () => {
  test('two VMs are there: with a snippet, and with a seed ISO', { timeout: 300_000 }, async () => {
    const made = await vms.run('vm', [
      ...['create', 'web-1', '--apply', '--no-web3', '--purpose', 'shop', '--memory', '1024'],
      ...['--expiry-days', '90', '--tags', 'web', 'production'],
    ])
    expect(made.code, made.stderr).toBe(0)
    const config = join(vms.workspace.folder, 'config')
    await mkdir(config, { recursive: true })
    await writeFile(join(config, 'vm.yaml'), 'cloud_init: { delivery: iso }\n')
    const other = await vms.run('vm', ['create', 'web-2', '--apply', '--no-web3'])
    expect(other.code, other.stderr).toBe(0)
    for (const entry of await vms.registry.list()) before.set(entry.name, entry)
    expect((await vms.run('registry', ['backup', backup()])).code).toBe(0)
    expect([...before.keys()]).toEqual(['web-1', 'web-2'])
    configs = await configsNow()
    await rm(join(vms.workspace.folder, 'vms'), { recursive: true })
    await rm(join(vms.workspace.stateDir, 'registry'), { recursive: true })
    // On another machine nothing knows that there was a registry.
    await rm(join(vms.workspace.stateDir, 'registry.last'))
  })

  test('list, reconcile and create say first what they see', async () => {
    const sentence =
      'warning: 2 VMs in Proxmox carry the tag proxmint-test, and the registry here has no VM: web-1 (100), web-2 (101). ' +
      'To take them up: zx scripts/vm.mts adopt --site'
    for (const [name, ...args] of [['vm', 'list'], ['reconcile']] as const) {
      expect((await vms.run(name, [...args])).stderr.split('\n')[0]).toContain(sentence)
    }
    const { stdout } = await vms.run('reconcile', [])
    expect(stdout).toContain('fix: take it up: zx scripts/vm.mts adopt --site')
    expect(stdout).not.toContain('destroy')
    expect((await vms.run('doctor', [])).stdout).toContain('2 VMs in Proxmox carry the tag proxmint-test')
  })

  test('adopt --site lists them, and writes nothing', async () => {
    const { code, stdout, stderr } = await vms.run('vm', ['adopt', '--site'])
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/web-1 +100 +active +192\.168\.122\.200 +\S+ +would be adopted/)
    expect(stdout).toMatch(/web-2 +101 +active +192\.168\.122\.201 +\S+ +would be adopted/)
    expect(stdout).toContain('web-1: not known is its expiry (')
    expect(stdout).toContain(
      'To adopt them: the same with --apply. Family and token can be given later, too: ',
    )
    expect((await vms.run('vm', ['list'])).stdout).toContain('no VM fits')
  })

  test('adopt --site --apply writes entries and states, and changes no VM', async () => {
    const { code, stdout, stderr } = await vms.run('vm', [
      'adopt',
      '--site',
      '--apply',
      '--template',
      'debian',
    ])
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('Nothing in Proxmox was changed.')
    expect(await configsNow()).toEqual(configs)
  })

  test('the entries are what they were, as far as anybody can know', async () => {
    const after: Entry[] = await vms.json('vm', 'list')
    expect(after.map(({ name }) => name)).toEqual(['web-1', 'web-2'])
    for (const entry of after) {
      const old = before.get(entry.name)!
      const { id, vmid, address, pool, node, phase, purpose } = old
      expect(entry).toMatchObject({ id, vmid, address, pool, node, phase, purpose, owner: null, token: null })
      const { made: _, ...design } = old.design!
      expect(entry.design).toEqual({ ...design, template: null, tags: design.tags.toSorted() })
      expect(entry.template).toEqual({ family: 'debian', version: 'unknown' })
      expect(Date.parse(entry.expiresAt!)).toBeGreaterThan(Date.now() + 29 * 86_400_000)
    }
  })

  test('apply finds that nothing differs, and reconcile that all agree', async () => {
    expect(await vms.json('apply')).toMatchObject([{ did: 'nothing' }, { did: 'nothing' }])
    expect(await vms.json('reconcile')).toEqual([])
    expect((await vms.run('vm', ['adopt', '--site'])).stdout).toBe('the registry has all VMs of this site\n')
  })

  test('a state that is lost alone is taken up again by name', async () => {
    await rm(join(vms.workspace.folder, 'vms/web-1'), { recursive: true })
    const lost = await vms.run('apply', ['web-1'])
    expect(lost.stderr).toContain('zx scripts/vm.mts adopt web-1 --apply')
    expect(await vms.json('vm', 'adopt', 'web-1', '--apply')).toMatchObject([{ did: 'adopted' }])
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    expect(await configsNow()).toEqual(configs)
  })

  test('so is one that is damaged, which is kept', async () => {
    const state = join(vms.workspace.folder, 'vms/web-1/terraform.tfstate')
    await writeFile(state, (await readFile(state, 'utf8')).slice(0, 300))
    expect(await vms.json('vm', 'adopt', 'web-1', '--apply')).toMatchObject([{ did: 'adopted' }])
    expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
    const kept = join(vms.workspace.stateDir, 'broken-states', `web-1-${before.get('web-1')!.id}.tfstate`)
    expect(await readFile(kept, 'utf8')).toHaveLength(300)
    expect(await configsNow()).toEqual(configs)
  })

  test('a backup that is found later has another VM template than the states, which is no difference', async () => {
    expect((await vms.run('registry', ['restore', backup(), '--replace'])).code).toBe(0)
    expect(await vms.json('apply')).toMatchObject([{ did: 'nothing' }, { did: 'nothing' }])
    expect(await configsNow()).toEqual(configs)
  })

  test('what was adopted can be destroyed, with its user-data', async () => {
    for (const name of before.keys()) await vms.json('vm', 'destroy', name, '--yes')
    expect(await vms.left()).toEqual([])
  })
})
