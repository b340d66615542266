import { expect, test } from 'vitest'
import { staticAddresses } from '../../guests/static-addresses.mts'

const config = `
version: 1
config:
  - type: physical
    name: eth0
    mac_address: 'bc:24:11:00:00:01'
    subnets:
      - { type: static, address: 192.168.122.200, netmask: 255.255.255.0, gateway: 192.168.122.1 }
      - { type: static6, address: '2001:db8::2/64' }
  - type: physical
    name: eth1
    mac_address: 'bc:24:11:00:00:02'
    subnets: [{ type: dhcp4 }]
`

test('a card has its own static addresses', () => {
  expect(staticAddresses(config, 'BC:24:11:00:00:01')).toEqual([
    { 'ip-address': '192.168.122.200', 'ip-address-type': 'ipv4', prefix: 24 },
    { 'ip-address': '2001:db8::2', 'ip-address-type': 'ipv6', prefix: 64 },
  ])
  expect(staticAddresses(config, 'BC:24:11:00:00:02')).toEqual([])
})

test.each(['', '- x', 'version: 2\nethernets: {}', '{'])('a text of another form has none: %j', text => {
  expect(staticAddresses(text, 'BC:24:11:00:00:01')).toEqual([])
})
