import { cp } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { getVmConfig } from '../../scripts/lib/proxmox/get-vm-config.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { createWorkspace, repository, rootClient, startLab, type Workspace } from './workspace.mts'

/** The life of a VM with the real OpenTofu and its provider, on a VM template that Packer built. */
let lab: Lab
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab()
  workspace = await createWorkspace(lab)
  for (const folder of ['terraform', 'cloud-init']) {
    await cp(join(repository, folder), join(workspace.folder, folder), { recursive: true })
  }
  expect(await workspace.zx('base', ['import', 'debian'])).toMatchObject({ code: 0 })
  expect(await workspace.zx('build', ['debian'])).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await workspace?.[Symbol.asyncDispose]()
  await lab?.close()
})

/** The provider keeps the node's host key in the home folder, and every lab has another. */
const vm = (...args: string[]) =>
  workspace.zx('vm', [...args, '--json'], {
    HOME: workspace.folder,
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  })
const vmids = async () => (await listVms(rootClient(lab))).map(one => one.vmid).filter(vmid => vmid < 9000)

test('a VM is made, listed, extended and destroyed', async () => {
  const created = await vm('create', 'web-1', '--purpose', 'shop', '--tags', 'web', '--cpu', '1')
  expect(created.code, created.stderr).toBe(0)
  const entry = JSON.parse(created.stdout)
  expect(entry).toMatchObject({ phase: 'active', vmid: 100, address: '192.168.122.200', failure: null })
  const config = await getVmConfig(rootClient(lab), { node: 'pve', vmid: 100 })
  expect(config).toMatchObject({ name: 'web-1', cores: 1, tags: 'proxmint-test;web', onboot: 1 })
  expect(config['cicustom']).toBe('user=local:snippets/proxmint-web-1.yaml')

  const again = await vm('create', 'web-1')
  expect(JSON.parse(again.stdout)).toEqual(entry)

  const extended = await vm('extend', 'web-1', '--days', '10')
  expect(Date.parse(JSON.parse(extended.stdout).expiresAt) - Date.parse(entry.expiresAt)).toBe(864_000_000)
  expect(JSON.parse((await vm('list')).stdout)).toMatchObject([{ name: 'web-1' }])

  const refused = await vm('destroy', 'web-1')
  expect(refused).toMatchObject({ code: 2 })
  const destroyed = await vm('destroy', 'web-1', '--yes')
  expect(destroyed.code, destroyed.stderr).toBe(0)
  expect(await vmids()).toEqual([])
  expect(JSON.parse((await vm('list')).stdout)).toEqual([])
})
