/** Fabrics: routed networks below the zones, and the nodes in them (proxmox-ve-config/src/sdn/fabric). */

import { createHash } from 'node:crypto'
import { BlockList, isIPv4 } from 'node:net'
import { failure } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'
import type { Section } from '../core/state.mts'
import { type SectionFile, sectionsOf } from '../sections/section-file.mts'

/** On Proxmox both are in one file. A node's section has the id `FABRIC_NODE`. */
export const FABRICS: SectionFile = { name: 'sdn/fabrics.cfg', properties: {}, types: {} }
export const FABRIC_NODES: SectionFile = { name: 'sdn/fabrics.cfg nodes', properties: {}, types: {} }

type Sections = Record<string, Section>

/** All fabrics and their nodes, as a change would leave them. */
export interface Network {
  fabrics: Sections
  nodes: Sections
}

/** Returns a copy of the configuration, to be changed and checked before it is kept. */
export function networkOf(pve: Pve): Network {
  return structuredClone({
    fabrics: { ...sectionsOf(pve, FABRICS) },
    nodes: { ...sectionsOf(pve, FABRIC_NODES) },
  })
}

function replaceSections(pve: Pve, file: SectionFile, sections: Sections): void {
  const kept = sectionsOf(pve, file)
  for (const id of Object.keys(kept)) delete kept[id]
  Object.assign(kept, sections)
}

/** Keeps a changed configuration. @throws {ApiError} and keeps the old one if it is not valid. */
export function keepNetwork(pve: Pve, network: Network): void {
  requireValid(network)
  replaceSections(pve, FABRICS, network.fabrics)
  replaceSections(pve, FABRIC_NODES, network.nodes)
}

/** Returns the SHA-256 of the configuration, in hex. */
export function fabricsDigest(pve: Pve): string {
  return createHash('sha256')
    .update(JSON.stringify(networkOf(pve)))
    .digest('hex')
}

/** Lists the nodes of a fabric by name. */
export function nodesIn({ nodes }: Network, fabric: string): [node: string, section: Section][] {
  return Object.values(nodes)
    .filter(section => section['fabric_id'] === fabric)
    .map((section): [string, Section] => [String(section['node_id']), section])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** @throws {ApiError} for a fabric that is missing. */
export function requireFabric({ fabrics }: Network, id: string): Section {
  const fabric = fabrics[id]
  if (!fabric) throw failure(`fabric '${id}' does not exist in configuration`)
  return fabric
}

function contains(prefix: string, address: string): boolean {
  const [network = '', length] = prefix.split('/')
  const list = new BlockList()
  const family = isIPv4(network) ? 'ipv4' : 'ipv6'
  list.addSubnet(network, Number(length), family)
  return list.check(address.split('/')[0]!, family)
}

const PREFIXES = [
  ['ip_prefix', 'ip', 'IP', 'IPv4'],
  ['ip6_prefix', 'ip6', 'IPv6', 'IPv6'],
] as const

function requireNoOverlap(sections: [string, Section][]): void {
  for (const [index, [id, fabric]] of sections.entries())
    for (const [other, second] of sections.slice(index + 1))
      for (const [key, , word, kind] of PREFIXES) {
        const [a, b] = [fabric[key], second[key]].map(String)
        if (fabric[key] === undefined || second[key] === undefined) continue
        if (contains(a!, b!) || contains(b!, a!))
          throw failure(
            `${word} prefix ${b} in fabric '${other}' overlaps with ${kind} prefix ${a} in fabric '${id}'`,
          )
      }
}

/** Writes an area as a number; it may be given as an address. */
function areaNumber(area: string): number {
  return isIPv4(area) ? area.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) : Number(area)
}

export function isArea(area: string): boolean {
  return isIPv4(area) || (/^\d+$/.test(area) && Number(area) < 2 ** 32)
}

function requireUnique(values: unknown[], fault: string): void {
  if (new Set(values).size < values.length) throw failure(fault)
}

function nameOf(interfaceText: string): string {
  return /(?:^|,)name=([^,]*)/.exec(interfaceText)?.[1] ?? interfaceText.split(',')[0]!
}

function interfacesOf({ node_id, interfaces }: Section): string[] {
  return [interfaces ?? []].flat().map(text => `${node_id} ${nameOf(String(text))}`)
}

/** Checks an address of a node against the prefix of its fabric. */
function requireAddress(
  id: string,
  fabric: Section,
  node: Section,
  [key, own]: (typeof PREFIXES)[number],
): void {
  const [prefix, address] = [fabric[key], node[own]]
  if (prefix === undefined && address !== undefined)
    throw failure(`fabric '${id}' does not have an IP prefix configured for the node IP ${address}`)
  const name = `${id}_${node['node_id']}`
  if (prefix !== undefined && address === undefined)
    throw failure(`node '${name}' does not have an IP configured for this fabric prefix ${prefix}`)
  if (prefix !== undefined && !contains(String(prefix), String(address)))
    throw failure(`node IP ${address} is outside the IP prefix ${prefix} of the fabric`)
}

function requireValidFabric(id: string, fabric: Section, nodes: Section[]): void {
  for (const node of nodes) for (const prefix of PREFIXES) requireAddress(id, fabric, node, prefix)
  for (const [, own] of PREFIXES)
    requireUnique(
      nodes.map(node => node[own]).filter(address => address !== undefined),
      `fabric ${id} contains nodes with duplicated IPs`,
    )
  const isOspf = fabric['protocol'] === 'ospf'
  if (fabric['ip_prefix'] === undefined && (isOspf || fabric['ip6_prefix'] === undefined))
    throw failure(`fabric '${id}' does not have an IP prefix configured`)
  if (isOspf && fabric['ip6_prefix'] !== undefined)
    throw failure('IPv6 is currently not supported for protocol ospf')
}

function requireValid(network: Network): void {
  const fabrics = Object.entries(network.fabrics).sort(([a], [b]) => (a < b ? -1 : 1))
  requireNoOverlap(fabrics)
  const areas = fabrics.filter(([, { protocol }]) => protocol === 'ospf').map(([, { area }]) => area)
  requireUnique(areas.map(String).map(areaNumber), 'duplicate OSPF area')
  const interfaces = Object.values(network.nodes).flatMap(interfacesOf)
  requireUnique(interfaces, 'interface is already in use by another fabric')
  for (const [id, fabric] of fabrics)
    requireValidFabric(
      id,
      fabric,
      nodesIn(network, id).map(([, node]) => node),
    )
}
