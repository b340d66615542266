import { expect, test } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { differenceText, driftOf } from '../../../scripts/lib/vm/look/drift.mts'

const design = {
  memory: 2048,
  cores: 2,
  cpuType: 'x86-64-v2-AES',
  disk: 10,
  tags: ['proxmint-test', 'web'],
  network: { prefix: 24, gateway: null, dns: [], bridge: 'vmbr0', vlan: null },
} as unknown as VmDesign
const config = {
  name: 'web-1',
  memory: '2048',
  cores: 2,
  cpu: 'x86-64-v2-AES',
  scsi0: 'tank:vm-100-disk-0,size=10G',
  net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,rate=10',
  tags: 'proxmint-test;web;somebody',
  agent: 'enabled=1,fstrim_cloned_disks=1',
  onboot: 1,
}
const drift = (changes: Record<string, string | number>, phase: 'active' | 'suspended' = 'active') =>
  driftOf({ design, phase, address: '192.168.122.200' }, { ...config, ...changes }).map(differenceText)

test('nothing differs where only what proxmint does not manage was changed', () => {
  expect(drift({ balloon: 1024, scsi1: 'tank:vm-100-disk-1,size=4G', startup: 'order=2' })).toEqual([])
  expect(drift({ scsi0: 'tank:vm-100-disk-0,discard=on,size=12G' })).toEqual([])
  expect(drift({ memory: 'current=2048', cpu: 'cputype=x86-64-v2-AES,flags=+aes', agent: '1' })).toEqual([])
})

test.each<[Record<string, string | number>, string]>([
  [{ memory: '4096' }, 'memory: Proxmox 4096, registry 2048'],
  [{ cores: 4 }, 'cores: Proxmox 4, registry 2'],
  [{ cpu: 'host' }, 'CPU type: Proxmox host, registry x86-64-v2-AES'],
  [{ net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr1' }, 'bridge: Proxmox vmbr1, registry vmbr0'],
  [{ net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20' }, 'VLAN: Proxmox 20, registry none'],
  [{ scsi0: 'tank:vm-100-disk-0,size=3584M' }, 'disk: Proxmox 3.5 GiB, registry 10 GiB'],
  [{ tags: 'proxmint-test' }, 'tags: Proxmox proxmint-test, registry proxmint-test web'],
  [
    { tags: 'proxmint-test;web;wallet-1' },
    'tags: Proxmox proxmint-test wallet-1 web, registry proxmint-test web',
  ],
  [{ agent: '0' }, 'guest agent: Proxmox off, registry on'],
  [{ onboot: 0 }, 'start at boot: Proxmox off, registry on'],
])('%j is drift', (changes, text) => {
  expect(drift(changes)).toEqual([text])
})

test('a suspended VM does not start with its node, and that is no difference', () => {
  expect(drift({ onboot: 0 }, 'suspended')).toEqual([])
})

test('a VM that was imported has nothing to differ from', () => {
  expect(driftOf({ design: null, phase: 'active', address: '192.168.122.200' }, config)).toEqual([])
})
