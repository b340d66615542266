/** Nodes of the cluster, and storages as each node sees them. */

import { isDeepStrictEqual } from 'node:util'
import { LabError } from '../../core/lab-error.mts'
import { failure } from './errors.mts'
import type { Pve } from './pve.mts'
import type { NodeConfig, State, StorageConfig } from './state.mts'

/** Name of a cluster of several nodes. */
export const CLUSTER_NAME = 'lab'

export interface StorageSpec extends Omit<StorageConfig, 'path'> {
  id: string
}

/** Cluster as its owner describes it. */
export interface ClusterSpec {
  /** At least one. The first serves the API. */
  nodes: NodeConfig[]
  storages: StorageSpec[]
}

/** Describes one node with a dir storage for files and a pool for disks, as the installer sets up ZFS. */
export function singleNode(name: string): ClusterSpec {
  return {
    nodes: [{ name, online: true }],
    storages: [
      { id: 'local', type: 'dir', content: ['iso', 'vztmpl', 'snippets', 'import', 'backup'] },
      { id: 'tank', type: 'zfspool', content: ['images', 'rootdir'] },
    ],
  }
}

export type Cluster = Pick<State, 'nodes' | 'storages'>

/** @param folderOf returns the absolute folder for a storage's id. */
export function clusterOf({ nodes, storages }: ClusterSpec, folderOf: (id: string) => string): Cluster {
  return {
    nodes: structuredClone(nodes),
    storages: Object.fromEntries(storages.map(({ id, ...spec }) => [id, { ...spec, path: folderOf(id) }])),
  }
}

/** Returns the part of a cluster that decides where volumes lie. Other parts, such as sizes, may change. */
function shapeOf({ nodes, storages }: Cluster): unknown {
  return {
    nodes: nodes.map(node => node.name),
    storages: Object.entries(storages).map(([id, { type, content, shared, nodes: on }]) => ({
      id,
      type,
      content: content.toSorted(),
      shared: shared === true,
      nodes: on?.toSorted() ?? 'all',
    })),
  }
}

function namesOf({ nodes, storages }: Cluster): string {
  return `nodes ${nodes.map(node => node.name).join(', ')}; storages ${Object.keys(storages).join(', ')}`
}

/** Returns nodes and storages as they were described. A state from before the API could change them is as described. */
export function describedIn({ described, nodes, storages }: State): Cluster {
  return described ?? { nodes, storages }
}

/**
 * Continues a state as the cluster `wanted`. Sizes and the online nodes may change. Storages that the API made or changed
 * stay so.
 * @throws {LabError} if nodes, or ids, types, contents or nodes of storages differ.
 */
export function adoptCluster(state: State, wanted: Cluster, folder: string): void {
  const before = describedIn(state)
  if (!isDeepStrictEqual(shapeOf(before), shapeOf(wanted)))
    throw new LabError(
      `the state in ${folder} belongs to another cluster: it has ${namesOf(before)}; wanted are ${namesOf(wanted)}`,
      'nodes and storages (ids, types, contents, nodes, shared) stay as they were; give the new cluster its own state folder',
    )
  state.nodes = wanted.nodes
  for (const [id, { size, path }] of Object.entries(wanted.storages))
    if (state.storages[id]) Object.assign(state.storages[id], { size, path })
  state.described = structuredClone(wanted)
}

export function firstNode(state: State): NodeConfig {
  return state.nodes[0]!
}

export function findNode(state: State, name: string): NodeConfig | undefined {
  return state.nodes.find(node => node.name === name)
}

/** Finds the node that a parameter names. @throws {ApiError} with Proxmox's text for parameters (paths differ). */
export function requireNode(state: State, name: string): NodeConfig {
  const node = findNode(state, name)
  if (!node) throw failure(`no such cluster node '${name}'`)
  return node
}

export function isAvailableOn({ nodes }: StorageConfig, node: string): boolean {
  return nodes?.includes(node) ?? true
}

/** Returns the storage with its folder on this node. */
export function storageOn(state: State, storage: StorageConfig, node: string): StorageConfig {
  return storage.shared || node === firstNode(state).name
    ? storage
    : { ...storage, path: `${storage.path}@${node}` }
}

/** Lists the storages of a node. */
export function storagesOn(state: State, node: string): [id: string, storage: StorageConfig][] {
  return Object.entries(state.storages)
    .filter(([, storage]) => isAvailableOn(storage, node))
    .map(([id, storage]) => [id, storageOn(state, storage, node)])
}

/** Returns a view of the server that works on another node: its VMs, storages and tasks. */
export function onNode(pve: Pve, node: string): Pve {
  return node === pve.node
    ? pve
    : { ...pve, node, tasks: { ...pve.tasks, start: task => pve.tasks.start({ node, ...task }) } }
}

/** Default place for a VM. */
export interface Home {
  /** Node that serves the API. */
  node: string
  /** Storage of that node for disks; empty if it has none. */
  storage: string
}

export function homeOf(state: State): Home {
  const node = firstNode(state).name
  const storage = storagesOn(state, node).find(([, { content }]) => content.includes('images'))?.[0]
  return { node, storage: storage ?? '' }
}
