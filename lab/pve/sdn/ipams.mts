/** /cluster/sdn/ipams: the built-in manager of addresses, and what it has given out. */

import { failure } from '../core/errors.mts'
import { allOf, anyone, hasAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import { digestOf } from '../sections/section-file.mts'
import { IPAMS, SUBNETS, ZONES } from './files.mts'
import { appliedSections } from './pending.mts'

const BUILT_IN = 'pve'
const path = '/cluster/sdn/ipams'
const SEE = ['SDN.Audit', 'SDN.Allocate'] as const

export function isIpam(id: string): boolean {
  return id === BUILT_IN
}

function builtIn(pve: Pve): ApiObject {
  return { ipam: BUILT_IN, type: 'pve', digest: digestOf(pve, IPAMS) }
}

function requireIpam(id: string): void {
  if (!isIpam(id)) throw failure(`sdn '${id}' does not exist`)
}

/** Lists the gateways of the subnets whose zone has the manager. */
function addresses(pve: Pve): ApiObject[] {
  const zones = appliedSections(pve, ZONES)
  return Object.entries(appliedSections(pve, SUBNETS)).flatMap(([id, { gateway, vnet }]) => {
    const [zone = '', network, length] = id.split('-')
    const isManaged = zones[zone]?.['ipam'] === BUILT_IN && gateway !== undefined
    return isManaged ? [{ zone, vnet, subnet: `${network}/${length}`, ip: gateway, gateway: 1 }] : []
  })
}

export const ipamRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: { type: { type: 'string', enum: ['netbox', 'phpipam', 'pve'], optional: true } },
    handle: ({ pve, caller, params }) =>
      hasAny(caller, `/sdn/ipams/${BUILT_IN}`, ...SEE) && (params.type ?? 'pve') === 'pve'
        ? [builtIn(pve)]
        : [],
  }),
  route({
    method: 'GET',
    path: `${path}/{ipam}`,
    permission: allOf('/sdn/ipams/{ipam}', 'SDN.Allocate'),
    parameters: { ipam: IPAMS.properties['ipam']! },
    handle({ pve, params }) {
      requireIpam(String(params.ipam))
      return builtIn(pve)
    },
  }),
  route({
    method: 'GET',
    path: `${path}/{ipam}/status`,
    permission: anyone,
    parameters: { ipam: IPAMS.properties['ipam']! },
    handle({ pve, caller, params }) {
      requireIpam(String(params.ipam))
      return addresses(pve).filter(({ zone, vnet }) => hasAny(caller, `/sdn/zones/${zone}/${vnet}`, ...SEE))
    },
  }),
]
