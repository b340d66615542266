/** /cluster/sdn/fabrics: fabrics and their nodes (PVE/API2/Network/SDN/Fabrics). */

import { directory } from '../core/directory.mts'
import { allOf, and, anyOf, anyone, hasAny, type Permission } from '../core/permission.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { SectionCall } from '../sections/section-routes.mts'
import {
  addFabric,
  addNode,
  changeNetwork,
  removeFabric,
  removeNode,
  requireNode,
  updateFabric,
  updateNode,
} from './fabric-changes.mts'
import { deletable, fabricId, fabricParameters, nodeKeys, nodeParameters } from './fabric-parameters.mts'
import { FABRIC_NODES, FABRICS, fabricsDigest, networkOf, requireFabric } from './fabrics.mts'
import { viewOf, viewParameters } from './pending.mts'

const FABRIC = ['SDN.Audit', 'SDN.Allocate'] as const
const NODE = ['Sys.Audit', 'Sys.Modify'] as const
/** Lists what the caller may see. The list as configured has no digest. */
function visible(
  { pve, caller, params }: SectionCall,
  sections: Record<string, ApiObject>,
  paths: (section: ApiObject) => [path: string, privileges: readonly string[]][],
): ApiObject[] {
  const shown = (section: ApiObject): ApiObject =>
    params['pending'] === true ? { ...section, digest: fabricsDigest(pve) } : section
  return Object.values(sections)
    .filter(section => paths(section).every(([path, all]) => hasAny(caller, path, ...all)))
    .map(shown)
}

/** Value of a key, also of a section that waits. */
function either(section: ApiObject, key: string): unknown {
  return section[key] ?? (section['pending'] as ApiObject | undefined)?.[key]
}

function fabricsFor(call: SectionCall): ApiObject[] {
  return visible(call, viewOf(call.pve, FABRICS, call.params), section => [
    [`/sdn/fabrics/${either(section, 'id')}`, FABRIC],
  ])
}

function nodesFor(call: SectionCall, fabric?: string): ApiObject[] {
  const nodes = Object.entries(viewOf(call.pve, FABRIC_NODES, call.params)).filter(
    ([, section]) => fabric === undefined || either(section, 'fabric_id') === fabric,
  )
  return visible(call, Object.fromEntries(nodes.sort(([a], [b]) => (a < b ? -1 : 1))), section => [
    [`/sdn/fabrics/${either(section, 'fabric_id')}`, FABRIC],
    [`/nodes/${either(section, 'node_id')}`, NODE],
  ])
}

const BASE = '/cluster/sdn/fabrics'
const mayChangeFabric = allOf('/sdn/fabrics/{id}', 'SDN.Allocate')
const mayChangeNode = and(
  allOf('/sdn/fabrics/{fabric_id}', 'SDN.Allocate'),
  allOf('/nodes/{node_id}', 'Sys.Modify'),
)
const maySeeNode: Permission = and(
  anyOf('/sdn/fabrics/{fabric_id}', ...FABRIC),
  anyOf('/nodes/{node_id}', ...NODE),
)

/** Makes a handler of any parameters. */
const on =
  (work: (call: SectionCall) => unknown) =>
  (call: unknown): unknown =>
    work(call as SectionCall)

const fabricSectionRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${BASE}/fabric`,
    permission: anyone,
    parameters: viewParameters,
    handle: on(fabricsFor),
  }),
  route({
    method: 'POST',
    path: `${BASE}/fabric`,
    permission: allOf('/sdn/fabrics', 'SDN.Allocate'),
    parameters: fabricParameters,
    handle: on(call =>
      changeNetwork(call, 'adding fabric failed', network => addFabric(network, call.params)),
    ),
  }),
  route({
    method: 'GET',
    path: `${BASE}/fabric/{id}`,
    permission: anyOf('/sdn/fabrics/{id}', ...FABRIC),
    parameters: { id: fabricId },
    handle: on(({ pve, params }) => ({
      ...requireFabric(networkOf(pve), String(params['id'])),
      digest: fabricsDigest(pve),
    })),
  }),
  route({
    method: 'PUT',
    path: `${BASE}/fabric/{id}`,
    permission: mayChangeFabric,
    parameters: {
      ...fabricParameters,
      delete: deletable('hello_interval', 'csnp_interval', 'area'),
    },
    handle: on(call =>
      changeNetwork(call, 'updating fabric failed', network => updateFabric(network, call.params)),
    ),
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/fabric/{id}`,
    permission: mayChangeFabric,
    parameters: { id: fabricId },
    handle: on(call => changeNetwork(call, 'deleting fabric failed', network => removeFabric(call, network))),
  }),
]

const nodeRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${BASE}/node`,
    permission: anyone,
    parameters: viewParameters,
    handle: on(call => nodesFor(call)),
  }),
  route({
    method: 'GET',
    path: `${BASE}/node/{fabric_id}`,
    permission: allOf('/sdn/fabrics/{fabric_id}', 'SDN.Audit'),
    parameters: { fabric_id: fabricId, ...viewParameters },
    handle: on(call => nodesFor(call, String(call.params['fabric_id']))),
  }),
  route({
    method: 'POST',
    path: `${BASE}/node/{fabric_id}`,
    permission: mayChangeNode,
    parameters: nodeParameters,
    handle: on(call => changeNetwork(call, 'adding node failed', network => addNode(network, call.params))),
  }),
  route({
    method: 'GET',
    path: `${BASE}/node/{fabric_id}/{node_id}`,
    permission: maySeeNode,
    parameters: nodeKeys,
    handle: on(({ pve, params }) => ({ ...requireNode(networkOf(pve), params), digest: fabricsDigest(pve) })),
  }),
  route({
    method: 'PUT',
    path: `${BASE}/node/{fabric_id}/{node_id}`,
    permission: mayChangeNode,
    parameters: { ...nodeParameters, delete: deletable('interfaces', 'ip', 'ip6') },
    handle: on(call =>
      changeNetwork(call, 'updating node failed', network => updateNode(network, call.params)),
    ),
  }),
  route({
    method: 'DELETE',
    path: `${BASE}/node/{fabric_id}/{node_id}`,
    permission: mayChangeNode,
    parameters: nodeKeys,
    handle: on(call =>
      changeNetwork(call, 'deleting node failed', network => removeNode(network, call.params)),
    ),
  }),
]

/** None of these operations forbids other parameters. */
export const fabricRoutes: Route[] = [
  directory(BASE, ['fabric', 'node', 'all'], 'subdir', allOf('/sdn/fabrics', 'SDN.Audit')),
  route({
    method: 'GET',
    path: `${BASE}/all`,
    permission: anyone,
    parameters: viewParameters,
    handle: on(call => ({ fabrics: fabricsFor(call), nodes: nodesFor(call) })),
  }),
  ...fabricSectionRoutes,
  ...nodeRoutes,
].map(each => ({ ...each, acceptsMore: true }))
