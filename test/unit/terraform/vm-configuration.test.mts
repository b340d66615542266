import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type VmSettings, vmConfiguration } from '../../../scripts/lib/terraform/vm-configuration.mts'

const settings: VmSettings = {
  name: 'web-1',
  description: '',
  node: 'pve',
  vmid: 100,
  template: { vmid: 9000, node: 'pve' },
  storage: 'tank',
  pool: null,
  cores: 2,
  cpu_type: 'x86-64-v2-AES',
  memory: 2048,
  disk: 10,
  address: '192.168.122.200/24',
  gateway: null,
  dns: [],
  bridge: 'vmbr0',
  vlan: null,
  tags: ['proxmint-home'],
  started: false,
  on_boot: false,
  user_data: null,
  seed_iso: null,
  file_name: 'proxmint-web-1-1234',
  file_storage: 'local',
  agent_timeout: '10m',
  agent: true,
  cards: [],
  ip_configs: [{ ip4: null, gw4: null, ip6: null, gw6: null }],
  cloud_init_storage: null,
  user_data_id: null,
  seed_interface: 'ide2',
}

type Configuration = { terraform: { backend: object }; module: { vm: Record<string, unknown> } }
const configure = (changes: Partial<VmSettings> = {}) =>
  vmConfiguration(
    { ...settings, ...changes },
    { type: 'pg', settings: { schema_name: 'web-1' } },
  ) as Configuration

/** For who uses the module alone: `vm create` writes user-data, which names the account. */
const ofTheModuleAlone = ['username', 'ssh_keys']

test('every setting is a variable of the module, and every variable of the module is set', async () => {
  const declared = await readFile(
    new URL('../../../terraform/modules/vm/variables.tf', import.meta.url),
    'utf8',
  )
  const variables = [...declared.matchAll(/^variable "(\w+)"/gm)].map(([, name]) => name)
  const set = Object.keys(configure().module.vm)
  expect([...set, ...ofTheModuleAlone].sort()).toEqual(['source', ...variables].sort())
})

test('the backend is the one that was configured', () => {
  expect(configure().terraform.backend).toEqual({ pg: { schema_name: 'web-1' } })
})

test('nothing in a value is taken for a template', () => {
  const { vm } = configure({ user_data: `# ${'$'}{a} %{b} $ {` }).module
  expect(vm['user_data']).toBe(`# $${'$'}{a} %%{b} $ {`)
})
