/** What cloud-init came to in a VM: found by SSH or by the guest agent, with the real tools. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

const privileges = async (change: (privs: string[]) => string[]): Promise<void> => {
  const root = rootClient(lab)
  const roles = await root.request<{ roleid: string; privs: string }[]>('GET', '/access/roles')
  const { privs } = roles.find(({ roleid }) => roleid === 'Proxmint')!
  await root.request('PUT', '/access/roles/Proxmint', { privs: change(privs.split(',')).join(',') })
}

async function template(name: string, more: string): Promise<void> {
  const account = 'users:\n  - name: "{{ username }}"\n    gecos: "{{ purpose }}"\n'
  const keys = '    ssh_authorized_keys: "{{ ssh_authorized_keys }}"\n'
  await writeFile(
    join(vms.workspace.folder, 'cloud-init/templates', `${name}.yaml`),
    `hostname: "{{ hostname }}"\n${account}${keys}${more}`,
  )
}

const create = (name: string, ...options: string[]) => vms.run('vm', ['create', name, '--apply', ...options])

test('a purpose with a colon costs no account, and the last lines say how to get in', async () => {
  const made = await create('shop', '--purpose', 'shop: front')
  expect(made.code, made.stderr).toBe(0)
  expect(made.stderr).not.toContain('is not known')
  console.log(/verify shop: done in .*/.exec(made.stderr)?.[0])
  expect(await vms.registry.find('shop')).toMatchObject({ purpose: 'shop: front', phase: 'active' })
  const { address } = (await vms.registry.find('shop'))!
  expect(made.stdout).toContain(`to log in: ssh admin@${address}`)
})

test('a package that cannot be had is a failed step, in cloud-init’s own words', async () => {
  await template('broken', 'packages: [no-such-package]\n')
  const failed = await create('broken', '--cloud-init', 'broken')
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain("Failed to install the following packages: {'no-such-package'}")
  expect(failed.stderr).toContain('looked at by: SSH')
  expect(failed.stderr).toContain('broken is kept; to go on: zx scripts/apply.mts broken')
  expect(await vms.registry.find('broken')).toMatchObject({ phase: 'created', failure: { step: 'boot' } })
})

test('with the privilege to read files the guest agent tells it', async () => {
  await privileges(privs => [...privs, 'VM.GuestAgent.FileRead'])
  const again = await vms.run('apply', ['broken'])
  expect(again.code).toBe(1)
  expect(again.stderr).toContain('looked at by: guest agent')
  const well = await create('well')
  expect(well.code, well.stderr).toBe(0)
  console.log(/verify well: done in .*/.exec(well.stderr)?.[0])
  await privileges(privs => privs.filter(name => name !== 'VM.GuestAgent.FileRead'))
})

test('where nobody can look, that is said with the reason, and the VM is active', async () => {
  await template('keyless', 'chpasswd: {list: ["admin:secret12"]}\n')
  const made = await create('keyless', '--cloud-init', 'keyless', '--no-login')
  expect(made.code, made.stderr).toBe(0)
  expect(made.stderr).toContain(
    'keyless: what cloud-init came to is not known (guest agent: the API token lacks VM.GuestAgent.FileRead)',
  )
})
