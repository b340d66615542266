/** Zones, vnets, subnets and controllers of the software-defined network (PVE/Network/SDN). */

import { cidr, configId, dnsNameFormat, ip, macAddress, matching, nodeFormat } from '../core/formats.mts'
import { listOf } from '../core/parameters.mts'
import type { Properties, Property } from '../core/property.mts'
import { ifaceFormat } from '../firewall/formats.mts'
import { OPTIONAL, REQUIRED, type SectionFile } from '../sections/section-file.mts'

const SHORT_ID = /^[a-zA-Z][a-zA-Z0-9]*[a-zA-Z0-9]$/

export const zoneId: Property = { type: 'string', pattern: SHORT_ID, minLength: 2, maxLength: 8 }
export const vnetId: Property = zoneId
const longId: Property = { type: 'string', pattern: SHORT_ID, minLength: 2 }

/** Subnet as `10.0.0.0/24`, or by its id: `zone-10.0.0.0-24`. */
const subnetId: Property = {
  type: 'string',
  format: value => {
    const [, network, length] = value.split('-')
    return cidr(value.includes('/') ? value : `${network}/${length}`)
  },
}

const text: Property = { type: 'string', optional: true }
const flag: Property = { type: 'boolean', optional: true }
const number = (minimum?: number, maximum?: number): Property => ({
  type: 'integer',
  ...(minimum !== undefined && { minimum }),
  ...(maximum !== undefined && { maximum }),
  optional: true,
})
const nodes: Property = { type: 'string', format: listOf(nodeFormat), optional: true }
const node: Property = { type: 'string', format: nodeFormat, optional: true }
const addresses: Property = { type: 'string', format: listOf(ip), optional: true }
const fabric: Property = { ...text, format: configId }

const routeTargets = listOf(
  matching(/^(\d+):(\d+)$/, value => `value does not look like a valid route-target: ${value}`),
)

const zoneProperties: Properties = {
  type: { type: 'string', enum: ['evpn', 'faucet', 'qinq', 'simple', 'vlan', 'vxlan'] },
  zone: zoneId,
  nodes,
  ipam: text,
  mtu: number(),
  dns: text,
  reversedns: text,
  dnszone: { ...text, format: dnsNameFormat },
  dhcp: { ...text, enum: ['dnsmasq'] },
  bridge: text,
  'bridge-disable-mac-learning': flag,
  tag: number(0),
  'vlan-protocol': { ...text, enum: ['802.1q', '802.1ad'] },
  peers: addresses,
  'vxlan-port': number(1, 65_536),
  fabric,
  'vrf-vxlan': number(1, 16_777_215),
  controller: text,
  mac: { ...text, format: macAddress },
  exitnodes: nodes,
  'exitnodes-local-routing': flag,
  'exitnodes-primary': node,
  'advertise-subnets': flag,
  'disable-arp-nd-suppression': flag,
  'rt-import': { ...text, format: routeTargets },
}

const optionals = (...keys: string[]): Record<string, typeof OPTIONAL> =>
  Object.fromEntries(keys.map(key => [key, OPTIONAL]))

const ANY_ZONE = optionals('nodes', 'mtu', 'dns', 'reversedns', 'dnszone', 'ipam')
const BRIDGED = { ...ANY_ZONE, bridge: REQUIRED, ...optionals('bridge-disable-mac-learning') }

export const ZONES: SectionFile = {
  name: 'sdn/zones.cfg',
  properties: zoneProperties,
  types: {
    simple: { ...ANY_ZONE, ...optionals('dhcp') },
    vlan: BRIDGED,
    qinq: { ...BRIDGED, tag: REQUIRED, ...optionals('vlan-protocol') },
    vxlan: { ...ANY_ZONE, ...optionals('peers', 'vxlan-port', 'fabric') },
    evpn: {
      ...ANY_ZONE,
      'vrf-vxlan': REQUIRED,
      controller: REQUIRED,
      ...optionals('exitnodes', 'exitnodes-local-routing', 'exitnodes-primary', 'advertise-subnets'),
      ...optionals(
        'disable-arp-nd-suppression',
        'bridge-disable-mac-learning',
        'rt-import',
        'vxlan-port',
        'mac',
      ),
    },
  },
}

export const VNETS: SectionFile = {
  name: 'sdn/vnets.cfg',
  properties: {
    type: { ...text, enum: ['vnet'] },
    vnet: vnetId,
    zone: text,
    tag: number(1, 16_777_215),
    vlanaware: flag,
    alias: { ...text, pattern: /^[()\-_.\w\d\s,*+]{0,256}$/i, maxLength: 256 },
    'isolate-ports': flag,
  },
  types: {
    vnet: { zone: REQUIRED, ...optionals('tag', 'alias', 'vlanaware', 'isolate-ports') },
  },
}

export const DHCP_RANGE: Properties = {
  'start-address': { type: 'string' },
  'end-address': { type: 'string' },
}

export const SUBNETS: SectionFile = {
  name: 'sdn/subnets.cfg',
  properties: {
    type: { type: 'string', enum: ['subnet'] },
    subnet: subnetId,
    vnet: text,
    gateway: { ...text, format: ip },
    snat: flag,
    dnszoneprefix: { ...text, format: dnsNameFormat },
    'dhcp-range': {
      type: 'array',
      items: { type: 'string', format: { properties: DHCP_RANGE } },
      optional: true,
    },
    'dhcp-dns-server': { ...text, format: ip },
  },
  types: {
    subnet: {
      vnet: REQUIRED,
      ...optionals('gateway', 'snat', 'dnszoneprefix', 'dhcp-range', 'dhcp-dns-server'),
    },
  },
}

export const CONTROLLERS: SectionFile = {
  name: 'sdn/controllers.cfg',
  properties: {
    type: { type: 'string', enum: ['bgp', 'evpn', 'faucet', 'isis'] },
    controller: {
      type: 'string',
      pattern: /^[a-zA-Z][a-zA-Z0-9_-]*[a-zA-Z0-9]$/,
      minLength: 2,
      maxLength: 64,
    },
    asn: number(0, 2 ** 32 - 1),
    peers: addresses,
    fabric,
    node,
    ebgp: flag,
    'ebgp-multihop': number(),
    loopback: text,
    'bgp-multipath-as-path-relax': flag,
    'isis-domain': text,
    'isis-ifaces': { ...text, format: listOf(ifaceFormat) },
    'isis-net': { ...text, pattern: /^[a-fA-F0-9]{2}(\.[a-fA-F0-9]{4}){3,9}\.[a-fA-F0-9]{2}$/ },
  },
  types: {
    evpn: { asn: REQUIRED, ...optionals('peers', 'fabric') },
    bgp: {
      node: REQUIRED,
      asn: REQUIRED,
      peers: REQUIRED,
      ...optionals('bgp-multipath-as-path-relax', 'ebgp', 'ebgp-multihop', 'loopback'),
    },
    isis: {
      'isis-domain': REQUIRED,
      'isis-net': REQUIRED,
      'isis-ifaces': REQUIRED,
      node: REQUIRED,
      ...optionals('loopback'),
    },
  },
}

/** Address managers. The built-in one is always there; others need a server of their own. */
export const IPAMS: SectionFile = {
  name: 'sdn/ipams.cfg',
  properties: { type: { type: 'string', enum: ['pve'] }, ipam: longId },
  types: { pve: {} },
}
