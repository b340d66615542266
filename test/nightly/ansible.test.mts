/** The real ansible-inventory reads what `vm list --inventory` prints. ansible-core comes from PyPI into a temporary folder. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { Entry, VmDesign } from '../../scripts/lib/registry/entry.mts'
import { runCommand } from '../../scripts/lib/run/exec.mts'
import { inventoryOf } from '../../scripts/lib/vm/look/inventory.mts'
import { temporaryFolder } from '../unit/temporary.mts'

let folder: string

async function run(file: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand({ file, args })
  expect(code, stderr).toBe(0)
  return stdout
}

beforeAll(async () => {
  folder = await temporaryFolder()
  await run('python3', '-m', 'venv', join(folder, 'venv'))
  await run(join(folder, 'venv/bin/pip'), 'install', '--quiet', 'ansible-core')
})

const vm = (name: string, tags: string[]): Entry => ({
  ...{ name, id: name, phase: 'active', vmid: 100, pool: 'lan', address: '192.168.122.5', node: 'pve' },
  ...{
    owner: null,
    expiresAt: null,
    template: { family: 'debian', version: 'v1' },
    token: null,
    purpose: '',
  },
  ...{ failure: null, createdAt: '', history: [] },
  design: { tags, cloudInit: { username: 'admin' } } as unknown as VmDesign,
})

test('its groups, hosts and variables are those of the VMs', async () => {
  const script = join(folder, 'inventory.sh')
  const printed = JSON.stringify(inventoryOf([vm('web-1', ['web']), vm('db-1', ['data.base'])]))
  await writeFile(script, `#!/bin/sh\ncat <<'END'\n${printed}\nEND\n`)
  await chmod(script, 0o755)
  const inventory = join(folder, 'venv/bin/ansible-inventory')
  const list = JSON.parse(await run(inventory, '-i', script, '--list'))
  expect(list.tag_web.hosts).toEqual(['web-1'])
  expect(list.tag_data_base.hosts).toEqual(['db-1'])
  expect(list.family_debian.hosts).toEqual(['web-1', 'db-1'])
  const host = JSON.parse(await run(inventory, '-i', script, '--host', 'web-1'))
  expect(host).toMatchObject({
    ansible_host: '192.168.122.5',
    ansible_user: 'admin',
    proxmint_family: 'debian',
  })
})
