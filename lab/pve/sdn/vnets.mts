/** /cluster/sdn/vnets: networks of a zone, their subnets, and their firewall. A vnet is a bridge for VMs. */

import { BlockList, isIP, isIPv6 } from 'node:net'
import { directory } from '../core/directory.mts'
import { failure, parameterError } from '../core/errors.mts'
import { allOf, anyone, requireAny } from '../core/permission.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject, Route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import { vnetFirewall } from '../firewall/conf.mts'
import { optionRoutes, VNET_OPTIONS } from '../firewall/option-routes.mts'
import { ruleRoutes } from '../firewall/rule-routes.mts'
import type { FirewallScope } from '../firewall/scope.mts'
import { sectionsOf } from '../sections/section-file.mts'
import type { SectionCall } from '../sections/section-routes.mts'
import { DHCP_RANGE, SUBNETS, VNETS, vnetId, ZONES } from './files.mts'
import { appliedSections } from './pending.mts'
import { sdnSectionRoutes } from './section-routes.mts'
import { maySee } from './zones.mts'

const path = '/cluster/sdn/vnets'
const LARGEST_VLAN = 4096
const LARGEST_VXLAN = 16_777_216

function requireVnet(pve: Pve, id: string): Section {
  const vnet = sectionsOf(pve, VNETS)[id]
  if (!vnet) throw failure(`sdn vnet '${id}' does not exist`)
  return vnet
}

function requirePrivilege({ pve, caller, params }: SectionCall, action: 'audit' | 'modify'): void {
  const id = String(params['vnet'])
  const privileges = action === 'audit' ? ['SDN.Audit', 'SDN.Allocate'] : ['SDN.Allocate']
  requireAny(caller, `/sdn/zones/${requireVnet(pve, id)['zone']}/${id}`, ...privileges)
}

interface Tagged {
  id: string
  vnet: Section
  others: [string, Section][]
}

function requireVlanTag({ vnet, others }: Tagged): void {
  const { tag, zone } = vnet
  if (tag === undefined) throw parameterError({ tag: 'missing vlan tag' })
  if (Number(tag) > LARGEST_VLAN) throw parameterError({ tag: 'vlan tag max value is 4096' })
  const other = others.find(([, each]) => each['zone'] === zone && each['tag'] === tag)
  if (other) throw parameterError({ tag: `tag ${tag} already exist in vnet ${other[0]}` })
}

function requireQinqTag({ vnet, others }: Tagged): void {
  const { tag, zone } = vnet
  if (Number(tag ?? 0) > LARGEST_VLAN) throw parameterError({ tag: 'VLAN tag maximal value is 4096' })
  const other = others.find(([, each]) => each['zone'] === zone && each['tag'] === tag)?.[0]
  if (other === undefined) return
  const what = tag === undefined ? 'tag-less vnet already exists' : `tag ${tag} already exist`
  throw parameterError({ tag: `${what} in zone ${zone} vnet ${other}` })
}

function requireVxlanTag(pve: Pve, { vnet, others }: Tagged): void {
  const { tag } = vnet
  if (tag === undefined) throw parameterError({ tag: 'missing vxlan tag' })
  if (Number(tag) > LARGEST_VXLAN) throw parameterError({ tag: 'vxlan tag max value is 16777216' })
  const zones = sectionsOf(pve, ZONES)
  const isTunnel = (zone: unknown): boolean =>
    ['vxlan', 'evpn'].includes(String(zones[String(zone)]?.['type']))
  const other = others.find(([, each]) => isTunnel(each['zone']) && each['tag'] === tag)
  if (other)
    throw parameterError({
      tag: `vxlan tag ${tag} already exist in vnet ${other[0]} in zone ${other[1]['zone']} `,
    })
}

function requireTag(pve: Pve, id: string, vnet: Section): void {
  const others = Object.entries(sectionsOf(pve, VNETS)).filter(([key]) => key !== id)
  const type = sectionsOf(pve, ZONES)[String(vnet['zone'])]?.['type']
  const tagged = { id, vnet, others }
  if (type === undefined) throw failure('cannot lookup undefined type!')
  if (type === 'simple' && vnet['tag'] !== undefined)
    throw parameterError({ tag: 'vlan tag is not allowed on simple zone' })
  if (type === 'vlan') requireVlanTag(tagged)
  if (type === 'qinq') requireQinqTag(tagged)
  if (type === 'vxlan' || type === 'evpn') requireVxlanTag(pve, tagged)
  if (type === 'evpn' && vnet['vlanaware'])
    throw parameterError({ 'vlan-aware': "vlan-aware option can't be enabled with evpn" })
}

function hasSubnets(pve: Pve, vnet: string): boolean {
  return Object.values(sectionsOf(pve, SUBNETS)).some(subnet => subnet['vnet'] === vnet)
}

function checkVnet(pve: Pve, id: string, vnet: Section, before: Section | undefined): void {
  if (before && vnet['zone'] === undefined) throw parameterError({ zone: 'cannot delete zone' })
  if (before && before['zone'] !== vnet['zone'] && hasSubnets(pve, id))
    throw parameterError({ zone: "can't change zone if subnets exist" })
  requireTag(pve, id, vnet)
  if (vnet['vlanaware'] && hasSubnets(pve, id))
    throw parameterError({ vlanaware: 'vlanaware vnet is not compatible with subnets' })
}

const vnetSectionRoutes = sdnSectionRoutes({
  file: VNETS,
  path,
  key: 'vnet',
  kind: 'vnet',
  type: 'vnet',
  missing: id => `sdn vnet '${id}' does not exist`,
  permissions: {
    list: anyone,
    create: allOf('/sdn/zones/{zone}', 'SDN.Allocate'),
    read: anyone,
    update: anyone,
    remove: anyone,
  },
  require(call, action) {
    if (call.params['vnet'] !== undefined && sectionsOf(call.pve, VNETS)[String(call.params['vnet'])])
      requirePrivilege(call, action)
  },
  isVisible: ({ caller }, id, { zone, pending }) =>
    maySee(caller, `/sdn/zones/${zone ?? (pending as ApiObject | undefined)?.['zone']}/${id}`),
  check: checkVnet,
  checkRemoval(pve, id) {
    if (hasSubnets(pve, id)) throw parameterError({ vnet: "Can't delete vnet if subnets exists" })
  },
})

/** Splits `zone-10.0.0.0-24`. */
function partsOf(id: string): { zone: string; network: string; mask: string; cidr: string } {
  const [zone = '', network = '', mask = ''] = id.split('-')
  return { zone, network, mask, cidr: `${network}/${mask}` }
}

function rangesOf(subnet: ApiObject): Record<string, string>[] {
  return [(subnet['dhcp-range'] as string[] | undefined) ?? []]
    .flat()
    .map(range => parsePropertyString({ properties: DHCP_RANGE }, range))
}

function isWithin(id: string, address: string): boolean {
  const { network, mask } = partsOf(id)
  const list = new BlockList()
  list.addSubnet(network, Number(mask), isIPv6(network) ? 'ipv6' : 'ipv4')
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function requireRange(id: string, range: Record<string, string>): void {
  const { cidr } = partsOf(id)
  for (const key of ['start-address', 'end-address']) {
    const address = range[key]!
    if (isIP(address) === 0) throw parameterError({ 'dhcp-range': `${key} is not a valid IP ${address}` })
    if (!isWithin(id, address))
      throw parameterError({ 'dhcp-range': `${key} ${address} is not in subnet ${cidr}` })
  }
}

function checkSubnet(pve: Pve, id: string, subnet: Section): void {
  const { mask, cidr, network } = partsOf(id)
  const vnet = sectionsOf(pve, VNETS)[String(subnet['vnet'])]
  if (!vnet) throw parameterError({ vnet: `${subnet['vnet']} don't exist` })
  if (vnet['vlanaware']) throw parameterError({ vnet: "you can't add a subnet on a vlanaware vnet" })
  const gateway = subnet['gateway'] === undefined ? undefined : String(subnet['gateway'])
  const isPointToPoint = !isIPv6(network) && mask === '32'
  if (gateway !== undefined && !isPointToPoint && !isWithin(id, gateway))
    throw parameterError({ gateway: `${gateway} is not in subnet ${cidr}` })
  for (const range of rangesOf(subnet)) requireRange(id, range)
}

const subnetRoutes = sdnSectionRoutes({
  file: SUBNETS,
  path: `${path}/{vnet}/subnets`,
  key: 'subnet',
  kind: 'subnet',
  type: 'subnet',
  parameters: { vnet: vnetId },
  missing: id => `sdn subnet '${id}' does not exist`,
  permissions: { list: anyone, create: anyone, read: anyone, update: anyone, remove: anyone },
  require: requirePrivilege,
  idFor: ({ pve, params }) =>
    `${requireVnet(pve, String(params['vnet']))['zone']}-${String(params['subnet']).replace('/', '-')}`,
  isVisible: ({ params }, _, { vnet }) => vnet === params['vnet'],
  show: (id, subnet) => ({ ...subnet, id, ...partsOf(id), 'dhcp-range': rangesOf(subnet) }),
  check: checkSubnet,
  checkRemoval: () => {},
})

const VNET_FIREWALL: FirewallScope = {
  kind: 'vnet',
  path: `${path}/{vnet}/firewall`,
  parameters: { vnet: vnetId },
  audit: anyone,
  modify: anyone,
  conf: (pve, { vnet }) => vnetFirewall(pve, String(vnet)),
  require({ pve, caller, params }, action) {
    const id = String(params['vnet'])
    const zone = appliedSections(pve, VNETS)[id]?.['zone']
    if (zone === undefined) throw failure('invalid vnet specified')
    const privileges = action === 'audit' ? ['SDN.Audit', 'SDN.Allocate'] : ['SDN.Allocate']
    requireAny(caller, `/sdn/zones/${zone}/${id}`, ...privileges)
  },
}

export const vnetRoutes: Route[] = [
  ...vnetSectionRoutes,
  ...subnetRoutes,
  { ...directory(VNET_FIREWALL.path, ['rules', 'options']), parameters: { vnet: vnetId } },
  ...ruleRoutes(VNET_FIREWALL),
  ...optionRoutes(VNET_FIREWALL, VNET_OPTIONS),
]

/** Returns the zone of a bridge: that of the applied vnet, or `localnetwork` for a bridge of the node. */
export function zoneOfBridge(pve: Pve, bridge: string): string {
  return String(appliedSections(pve, VNETS)[bridge]?.['zone'] ?? 'localnetwork')
}
