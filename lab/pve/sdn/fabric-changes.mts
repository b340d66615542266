/** Changes of fabrics and their nodes, each of them made in a copy and checked as a whole. */

import { failure } from '../core/errors.mts'
import { hasAny } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { Section } from '../core/state.mts'
import { cleanCidr, ipVersionOf } from '../firewall/formats.mts'
import { requireSameDigest, sectionsOf } from '../sections/section-file.mts'
import type { SectionCall } from '../sections/section-routes.mts'
import {
  fabricsDigest,
  isArea,
  keepNetwork,
  type Network,
  networkOf,
  nodesIn,
  requireFabric,
} from './fabrics.mts'
import { CONTROLLERS, ZONES } from './files.mts'
import { lockedSdn } from './pending.mts'

/** Parameters of the request that are no options. */
const REQUEST = ['digest', 'lock-token', 'delete']

/** Runs a change of a copy under the lock, and keeps it. @throws {ApiError} */
export function changeNetwork(
  { pve, params }: SectionCall,
  words: string,
  change: (network: Network) => void,
): void {
  lockedSdn(pve, words, params['lock-token'], () => {
    requireSameDigest(fabricsDigest(pve), params['digest'])
    const network = networkOf(pve)
    change(network)
    keepNetwork(pve, network)
  })
}

function optionsIn(params: Record<string, unknown>): Section {
  return Object.fromEntries(
    Object.entries(params).filter(([key, value]) => !REQUEST.includes(key) && value !== undefined),
  ) as Section
}

/** Words of the lab: Proxmox's are those of its parser. */
function requireFamilies(fabric: Section): void {
  for (const [key, version] of [
    ['ip_prefix', 4],
    ['ip6_prefix', 6],
  ] as const)
    if (fabric[key] !== undefined && ipVersionOf(String(fabric[key])) !== version)
      throw failure(`${key}: not a valid IPv${version} network: ${fabric[key]}`)
}

function requireArea(fabric: Section): void {
  if (fabric['protocol'] !== 'ospf') return
  if (fabric['area'] === undefined) throw failure('missing field `area`')
  if (!isArea(String(fabric['area']))) throw failure(`invalid OSPF area: ${fabric['area']}`)
}

/** A new fabric has its prefixes without bits behind them. A change keeps them as they were given. */
export function addFabric({ fabrics }: Network, params: Record<string, unknown>): void {
  const fabric = optionsIn(params)
  const name = String(fabric['id'])
  if (fabrics[name]) throw failure(`fabric '${name}' already exists in config`)
  requireFamilies(fabric)
  requireArea(fabric)
  for (const key of ['ip_prefix', 'ip6_prefix'])
    if (fabric[key] !== undefined) fabric[key] = cleanCidr(String(fabric[key]))
  fabrics[name] = fabric
}

const MISMATCH = 'node has a different protocol than the referenced fabric'

function changed(before: Section, params: Record<string, unknown>): Section {
  const set = optionsIn(params)
  if (set['protocol'] !== before['protocol']) throw failure(MISMATCH)
  const section: Section = { ...before, ...set }
  for (const key of [params['delete'] ?? []].flat() as string[]) {
    if (key === 'interfaces') section[key] = []
    else delete section[key]
  }
  return section
}

function requireUnused(pve: Pve, name: string): void {
  const users = [
    ['EVPN controller', CONTROLLERS, 'evpn'],
    ['VXLAN zone', ZONES, 'vxlan'],
  ] as const
  for (const [words, file, type] of users)
    for (const [key, section] of Object.entries(sectionsOf(pve, file)))
      if (section['type'] === type && section['fabric'] === name)
        throw failure(`this fabric is still used in the ${words} "${key}"`)
}

export function removeFabric({ pve, caller, params }: SectionCall, network: Network): void {
  const name = String(params['id'])
  requireFabric(network, name)
  for (const [node] of nodesIn(network, name)) {
    if (!hasAny(caller, `/nodes/${node}`, 'Sys.Modify'))
      throw failure(`permission check failed: missing 'Sys.Modify' on node ${node}`)
    delete network.nodes[`${name}_${node}`]
  }
  requireUnused(pve, name)
  delete network.fabrics[name]
}

export function requireNode(network: Network, { fabric_id, node_id }: Record<string, unknown>): Section {
  requireFabric(network, String(fabric_id))
  const node = network.nodes[`${fabric_id}_${node_id}`]
  if (!node) throw failure(`node '${node_id}' does not exist in fabric '${fabric_id}'`)
  return node
}

export function addNode(network: Network, params: Record<string, unknown>): void {
  const node = { interfaces: [], ...optionsIn(params) } as Section
  const fabric = requireFabric(network, String(node['fabric_id']))
  if (fabric['protocol'] !== node['protocol']) throw failure(MISMATCH)
  const key = `${node['fabric_id']}_${node['node_id']}`
  if (network.nodes[key])
    throw failure(`node '${node['node_id']}' already exists in config for fabric ${node['fabric_id']}`)
  network.nodes[key] = node
}

export function updateFabric(network: Network, params: Record<string, unknown>): void {
  const name = String(params['id'])
  const fabric = changed(requireFabric(network, name), params)
  requireFamilies(fabric)
  requireArea(fabric)
  network.fabrics[name] = fabric
}

export function updateNode(network: Network, params: Record<string, unknown>): void {
  network.nodes[`${params['fabric_id']}_${params['node_id']}`] = changed(requireNode(network, params), params)
}

export function removeNode(network: Network, params: Record<string, unknown>): void {
  requireNode(network, params)
  delete network.nodes[`${params['fabric_id']}_${params['node_id']}`]
}
