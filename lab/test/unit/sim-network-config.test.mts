import { expect, test } from 'vitest'
import { planNetwork } from '../../guests/sim/network-config.mts'

const interfaces = [
  { name: 'eth0', mac: 'bc:24:11:00:00:01' },
  { name: 'eth1', mac: 'bc:24:11:00:00:02' },
]

const calls = (text: string | undefined) =>
  planNetwork(text, interfaces).steps.map(step => step.call.join(' '))

const proxmox = (subnet: string) => `
version: 1
config:
  - type: physical
    name: eth0
    mac_address: 'BC:24:11:00:00:02'
    subnets:
      - ${subnet}
  - type: nameserver
    address: ['192.168.122.1', '9.9.9.9']
    search: ['lab.test']
`

test.each([
  ['none: every interface asks', undefined, ['interface_dhcp eth0', 'interface_dhcp eth1']],
  ['version 1, empty', 'version: 1\nconfig: []\n', []],
  [
    'version 1, DHCP, by MAC and not by name',
    proxmox('{ type: dhcp4 }'),
    ['interface_dhcp eth1', 'name_servers lab.test 192.168.122.1 9.9.9.9'],
  ],
  [
    'version 1, static with netmask',
    proxmox(
      "{ type: static, address: '192.168.122.50', netmask: '255.255.255.0', gateway: '192.168.122.1' }",
    ),
    ['interface_static eth1 192.168.122.50/24 192.168.122.1', 'name_servers lab.test 192.168.122.1 9.9.9.9'],
  ],
  [
    'version 2 below `network`, with a route',
    `network:
  version: 2
  ethernets:
    any:
      match: { macaddress: 'bc:24:11:00:00:01' }
      addresses: [192.168.122.60/24]
      routes: [{ to: default, via: 192.168.122.1 }]
`,
    ['interface_static eth0 192.168.122.60/24 192.168.122.1'],
  ],
  [
    'version 2, gateways beside the networks of two addresses',
    `
version: 2
ethernets:
  lan:
    match: { macaddress: 'bc:24:11:00:00:01' }
    addresses: [203.0.113.10/32, '2001:db8::5/64']
    routes:
      - { to: 0.0.0.0/0, via: 198.51.100.1, on-link: true }
      - { to: '::/0', via: 'fe80::1' }
`,
    [
      'interface_static eth0 203.0.113.10/32 198.51.100.1 onlink',
      'interface_static eth0 2001:db8::5/64 fe80::1',
    ],
  ],
  [
    'version 2, wired ones by glob',
    'version: 2\nethernets:\n  nic:\n    match: { name: "en*" }\n    dhcp4: true\n',
    ['interface_dhcp eth0', 'interface_dhcp eth1'],
  ],
])('%s', (_name, text, expected) => {
  expect(calls(text)).toEqual(expected)
})

test('an interface that the guest does not have is a warning', () => {
  const text = "version: 1\nconfig:\n  - { type: physical, name: eth7, mac_address: '02:00:00:00:00:07' }\n"
  expect(planNetwork(text, interfaces).warnings).toEqual(['network-config: no interface 02:00:00:00:00:07'])
})
