import { describe, expect, test } from 'vitest'
import type { VmSettings } from '../../../scripts/lib/terraform/vm-configuration.mts'
import { asItIs, asOthersLeftIt, asTemplateHas } from '../../../scripts/lib/vm/stack/keep.mts'

const settings = {
  name: 'web-1',
  description: 'shop\nMade by proxmint. Entry 1234.',
  cores: 2,
  cpu_type: 'x86-64-v2-AES',
  memory: 2048,
  disk: 10,
  address: '10.0.0.5/24',
  gateway: '10.0.0.1',
  dns: ['10.0.0.1'],
  bridge: 'vmbr0',
  vlan: 7,
  tags: ['proxmint-test', 'wallet-new'],
  seed_iso: null,
} as unknown as VmSettings
const config = {
  name: 'renamed',
  description: 'Ask Jane.\n\nshop\nMade by proxmint. Entry 1234.\n\nRack 4\n',
  cores: 4,
  cpu: 'host,flags=+aes',
  memory: '4096',
  tags: 'proxmint-test;jane;wallet-old',
  agent: 'enabled=0',
  net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr1,firewall=1,rate=2.5,trunks=5;6',
  net2: 'model=e1000,macaddr=BC:24:11:00:00:02,bridge=vmbr0,link_down=1,mtu=1400,queues=4,tag=20',
  scsi0: 'tank:vm-100-disk-0,discard=on,size=12800M',
  ide0: 'slow:vm-100-cloudinit,media=cdrom',
  ipconfig0: 'gw=10.0.0.254,ip=10.0.0.6/24,ip6=auto',
  ipconfig2: 'ip=dhcp',
  nameserver: '9.9.9.9 1.1.1.1',
  cicustom: 'user=local:snippets/other.yaml,network=local:snippets/net.yaml',
}
const noAddress = { ip4: null, gw4: null, ip6: null, gw6: null }

describe('what others changed', () => {
  const kept = asOthersLeftIt(settings, config)

  test('of the notes and the tags stays; the API changes what is ours of them', () => {
    expect(kept.description).toBe('Ask Jane.\n\nshop\nMade by proxmint. Entry 1234.\n\nRack 4')
    expect(kept.tags).toEqual(['proxmint-test', 'jane', 'wallet-old'])
  })

  test('of the cards stays with each flag; a free number is a card that is not enabled', () => {
    expect(kept.cards).toEqual([
      {
        ...{ enabled: true, bridge: 'vmbr1', vlan: null, model: 'virtio', mac: 'BC:24:11:00:00:01' },
        ...{ firewall: true, disconnected: false, rate: 2.5, mtu: 0, queues: 0, trunks: '5;6' },
      },
      expect.objectContaining({ enabled: false }),
      {
        ...{ enabled: true, bridge: 'vmbr0', vlan: 20, model: 'e1000', mac: 'BC:24:11:00:00:02' },
        ...{ firewall: false, disconnected: true, rate: 0, mtu: 1400, queues: 4, trunks: '' },
      },
    ])
  })

  test('of addresses stays, a card each', () => {
    expect(kept.ip_configs).toEqual([
      { ip4: '10.0.0.6/24', gw4: '10.0.0.254', ip6: 'auto', gw6: null },
      noAddress,
      { ...noAddress, ip4: 'dhcp' },
    ])
  })

  test('of the disk is its size in whole GiB, and of cloud-init its storage', () => {
    expect(kept).toMatchObject({ disk: 12, cloud_init_storage: 'slow' })
  })

  test('of what Terraform changes does not stay; the API changes size and CPU', () => {
    const { name, address, gateway } = settings
    expect(kept).toMatchObject({ name, address, gateway, cores: 4, cpu_type: 'host', memory: 4096 })
  })
})

test('a VM as it is differs in nothing', () => {
  expect(asItIs(settings, config)).toMatchObject({
    name: 'renamed',
    cores: 4,
    cpu_type: 'host',
    memory: 4096,
    agent: false,
    address: '10.0.0.6/24',
    gateway: '10.0.0.254',
    dns: ['9.9.9.9', '1.1.1.1'],
    tags: ['proxmint-test', 'jane', 'wallet-old'],
    user_data_id: 'local:snippets/other.yaml',
  })
})

test.each<[string, Record<string, string>]>([
  ['the VM template had DHCP', { ipconfig0: 'ip=dhcp' }],
  ['Proxmox has none', {}],
])('a VM with a seed ISO keeps the network of its entry if %s', (_, found) => {
  const { address, gateway, dns } = settings
  expect(asItIs({ ...settings, seed_iso: './seed.iso' }, found)).toMatchObject({ address, gateway, dns })
})

describe('the seed ISO', () => {
  const drive = (changes: object) => asTemplateHas(settings, { scsi0: 'x', ...changes }).seed_interface

  test.each([
    [{ ide2: 'tank:vm-9000-cloudinit,media=cdrom' }, 'ide2'],
    [{ ide0: 'tank:vm-9000-cloudinit,media=cdrom' }, 'ide0'],
    [{ ide2: 'local:iso/x.iso,media=cdrom', sata1: 'tank:vm-9000-cloudinit,media=cdrom' }, 'sata1'],
    [{}, 'ide2'],
    [{ ide2: 'local:iso/x.iso,media=cdrom' }, 'ide0'],
  ])('takes the drive of the cloud-init drive, or else a free one: %j', (changes, seedInterface) => {
    expect(drive(changes)).toBe(seedInterface)
  })

  test.each([
    [{ ide0: 'local:iso/proxmint-web-1-id.iso,media=cdrom', ide2: 'none,media=cdrom' }, 'ide0'],
    [{ ide1: 'none,media=cdrom' }, 'ide1'],
    [{ ide2: 'local:iso/debian.iso,media=cdrom' }, 'ide0'],
  ])('stays where it is in a VM that exists: %j', (changes, seedInterface) => {
    expect(asOthersLeftIt(settings, changes).seed_interface).toBe(seedInterface)
  })
})
