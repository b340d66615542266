/** /cluster/sdn/zones and controllers: kinds of networks, and what routes between them. */

import { randomBytes } from 'node:crypto'
import { ApiError, failure, parameterError } from '../core/errors.mts'
import { allOf, anyone, type Caller, hasAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Route } from '../core/route.mts'
import type { Section } from '../core/state.mts'
import { sectionsOf } from '../sections/section-file.mts'
import { CONTROLLERS, SUBNETS, VNETS, ZONES } from './files.mts'
import { isIpam } from './ipams.mts'
import { sdnSectionRoutes } from './section-routes.mts'

const SEE = ['SDN.Audit', 'SDN.Allocate'] as const

export function maySee(caller: Caller, path: string): boolean {
  return hasAny(caller, path, ...SEE)
}

/** Makes a MAC address with the prefix of Proxmox. */
function randomMac(): string {
  const [a, b, c] = randomBytes(3).toString('hex').toUpperCase().match(/../g)!
  return `BC:24:11:${a}:${b}:${c}`
}

function requireServices({ dns, reversedns, dnszone, ipam }: Section): void {
  for (const [key, server] of Object.entries({ dns, reversedns }))
    if (server !== undefined) throw parameterError({ [key]: `${server} don't exist` })
  if (dnszone !== undefined) throw parameterError({ dnszone: 'missing dns server' })
  if (ipam !== undefined && !isIpam(String(ipam))) throw parameterError({ ipam: `${ipam} not existing` })
}

function requireEvpn(pve: Pve, id: string, zone: Section): void {
  const name = String(zone['controller'])
  const controller = sectionsOf(pve, CONTROLLERS)[name]
  if (!controller) throw failure(`controller ${name} don't exist`)
  if (controller['type'] !== 'evpn') throw failure(`${name} is not a evpn controller type`)
  const other = Object.entries(sectionsOf(pve, ZONES)).find(
    ([key, each]) => key !== id && each['vrf-vxlan'] === zone['vrf-vxlan'],
  )
  if (other) throw failure(`vrf-vxlan ${zone['vrf-vxlan']} is already declared in ${other[0]}`)
  zone['mac'] ??= randomMac()
}

function requireOneOf(section: Section): string | undefined {
  const isOne = (section['peers'] === undefined) !== (section['fabric'] === undefined)
  return isOne ? undefined : 'must have exactly one of peers / fabric defined'
}

function checkZone(pve: Pve, id: string, zone: Section, before: Section | undefined): void {
  const hasSubnet = Object.keys(sectionsOf(pve, SUBNETS)).some(key => key.startsWith(`${id}-`))
  if (before && before['ipam'] !== zone['ipam'] && hasSubnet)
    throw parameterError({ ipam: "can't change ipam if a subnet is already defined in this zone" })
  requireServices(zone)
  const fault = zone['type'] === 'vxlan' ? requireOneOf(zone) : undefined
  if (fault) throw new ApiError(400, 'Parameter verification failed.', { peers: fault, fabric: fault })
  if (zone['type'] === 'evpn') requireEvpn(pve, id, zone)
}

function checkController(pve: Pve, id: string, controller: Section): void {
  if (controller['type'] !== 'evpn') return
  const other = Object.entries(sectionsOf(pve, CONTROLLERS)).some(
    ([key, { type }]) => key !== id && type === 'evpn',
  )
  if (other) throw failure('only 1 global evpn controller can be defined')
  const fault = requireOneOf(controller)
  if (fault) throw failure(fault)
}

export const zoneRoutes: Route[] = sdnSectionRoutes({
  file: ZONES,
  path: '/cluster/sdn/zones',
  key: 'zone',
  kind: 'zone',
  missing: id => `sdn '${id}' does not exist`,
  permissions: {
    list: anyone,
    create: allOf('/sdn/zones', 'SDN.Allocate'),
    read: allOf('/sdn/zones/{zone}', 'SDN.Allocate'),
    update: allOf('/sdn/zones/{zone}', 'SDN.Allocate'),
    remove: allOf('/sdn/zones/{zone}', 'SDN.Allocate'),
  },
  listParameters: { type: { ...ZONES.properties['type']!, optional: true } },
  isVisible: ({ caller, params }, id, { type }) =>
    maySee(caller, `/sdn/zones/${id}`) && (params['type'] === undefined || params['type'] === type),
  check: checkZone,
  checkRemoval(pve, id) {
    const vnet = Object.entries(sectionsOf(pve, VNETS)).find(([, { zone }]) => zone === id)
    if (vnet) throw failure(`zone ${id} is used by vnet ${vnet[0]}`)
  },
})

export const controllerRoutes: Route[] = sdnSectionRoutes({
  file: CONTROLLERS,
  path: '/cluster/sdn/controllers',
  key: 'controller',
  kind: 'controller',
  missing: id => `sdn '${id}' does not exist`,
  permissions: {
    list: anyone,
    create: allOf('/sdn/controllers', 'SDN.Allocate'),
    read: allOf('/sdn/controllers/{controller}', 'SDN.Allocate'),
    update: allOf('/sdn/controllers', 'SDN.Allocate'),
    remove: allOf('/sdn/controllers', 'SDN.Allocate'),
  },
  listParameters: { type: { ...CONTROLLERS.properties['type']!, optional: true } },
  isVisible: ({ caller, params }, id, { type }) =>
    maySee(caller, `/sdn/controllers/${id}`) && (params['type'] === undefined || params['type'] === type),
  check: checkController,
  checkRemoval(pve, id) {
    const zone = Object.entries(sectionsOf(pve, ZONES)).find(([, { controller }]) => controller === id)
    if (zone) throw failure(`controller ${id} is used by ${zone[0]}`)
  },
})
