import { expect, test } from 'vitest'
import { configFindings } from '../../../scripts/lib/reconcile/configs.mts'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { descriptionOf } from '../../../scripts/lib/registry/identity.mts'
import { entry } from '../registry/entries.mts'

const design = {
  memory: 2048,
  cores: 2,
  disk: 10,
  tags: ['proxmint-test'],
  network: { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null },
} as unknown as VmDesign
const web = entry('web-1', { node: 'pve', design })
const config = {
  name: 'web-1',
  description: descriptionOf(web),
  memory: '2048',
  cores: 2,
  cpu: 'qemu64',
  scsi0: 'tank:vm-150-disk-0,size=10G',
  net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0',
  tags: 'proxmint-test',
  agent: 1,
  onboot: 1,
}

test('a VM that is as its entry says has no finding', () => {
  expect(configFindings(web, config)).toEqual({ findings: [], added: undefined })
})

test('each difference is a finding with both values and the command that shows its cost', () => {
  expect(configFindings(web, { ...config, memory: '4096', cores: 4 }).findings).toEqual(
    ['cores: Proxmox 4, registry 2', 'memory: Proxmox 4096, registry 2048'].map(what => ({
      name: 'web-1',
      what,
      hint: 'zx scripts/apply.mts web-1 --plan-only shows what it costs to put that back',
      fix: undefined,
    })),
  )
})

test('what somebody added is told, and is no finding', () => {
  const net1 = 'virtio=BC:24:11:00:00:02,bridge=vmbr1'
  expect(configFindings(web, { ...config, net1 })).toEqual({
    findings: [],
    added: `web-1: somebody added net1 (${net1}); it stays`,
  })
})

test('a VM that has only the name is another one; nothing else of it is compared', () => {
  const { findings, added } = configFindings(web, { ...config, description: 'Made by hand', memory: '1' })
  expect(findings.map(({ what }) => what)).toEqual([
    'VM 150 has its name, and is another VM: its notes lack the id of the entry',
  ])
  expect(added).toBeUndefined()
})
