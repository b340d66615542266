/** The nodes of the cluster, and the storages as each of them sees them. */

import { isDeepStrictEqual } from 'node:util'
import { LabError } from '../../core/lab-error.mts'
import { failure } from './errors.mts'
import type { Pve } from './pve.mts'
import type { NodeConfig, State, StorageConfig } from './state.mts'

export interface StorageSpec extends Omit<StorageConfig, 'path'> {
  id: string
}

/** What somebody wants the cluster to be. */
export interface ClusterSpec {
  /** At least one; the first serves the API. */
  nodes: NodeConfig[]
  storages: StorageSpec[]
}

/** One node with a dir storage for files and a pool for disks, as the installer leaves a ZFS machine. */
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

/** @param folderOf an absolute folder for the storage of that id. */
export function clusterOf({ nodes, storages }: ClusterSpec, folderOf: (id: string) => string): Cluster {
  return {
    nodes: structuredClone(nodes),
    storages: Object.fromEntries(storages.map(({ id, ...spec }) => [id, { ...spec, path: folderOf(id) }])),
  }
}

/** What decides where things lie; the rest, such as how large or whether online, may be another next time. */
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

/**
 * Lets a state go on as the cluster `wanted`: sizes and what is online may change.
 * @throws {LabError} when its VMs and disks would lie elsewhere.
 */
export function adoptCluster(state: State, wanted: Cluster, folder: string): void {
  const before: Cluster = { nodes: state.nodes, storages: state.storages }
  if (!isDeepStrictEqual(shapeOf(before), shapeOf(wanted)))
    throw new LabError(
      `the state in ${folder} belongs to another cluster: it has ${namesOf(before)}; wanted are ${namesOf(wanted)}`,
      'nodes and storages (ids, types, contents, nodes, shared) stay as they were; give the new cluster its own state folder',
    )
  state.nodes = wanted.nodes
  state.storages = wanted.storages
}

export function firstNode(state: State): NodeConfig {
  return state.nodes[0]!
}

export function findNode(state: State, name: string): NodeConfig | undefined {
  return state.nodes.find(node => node.name === name)
}

/** Fails as Proxmox does where a parameter, not the path, names a node. */
export function requireNode(state: State, name: string): NodeConfig {
  const node = findNode(state, name)
  if (!node) throw failure(`no such cluster node '${name}'`)
  return node
}

export function isAvailableOn({ nodes }: StorageConfig, node: string): boolean {
  return nodes?.includes(node) ?? true
}

/** The storage with its folder on this node. */
export function storageOn(state: State, storage: StorageConfig, node: string): StorageConfig {
  return storage.shared || node === firstNode(state).name
    ? storage
    : { ...storage, path: `${storage.path}@${node}` }
}

/** The storages a node has, by id. */
export function storagesOn(state: State, node: string): [id: string, storage: StorageConfig][] {
  return Object.entries(state.storages)
    .filter(([, storage]) => isAvailableOn(storage, node))
    .map(([id, storage]) => [id, storageOn(state, storage, node)])
}

/** The same server, working on another of its nodes: its VMs, its storages, its tasks. */
export function onNode(pve: Pve, node: string): Pve {
  return node === pve.node
    ? pve
    : { ...pve, node, tasks: { ...pve.tasks, start: task => pve.tasks.start({ node, ...task }) } }
}

/** Where a client without preferences puts a VM. */
export interface Home {
  /** The node that serves the API. */
  node: string
  /** A storage of it that takes disks; empty where it has none. */
  storage: string
}

export function homeOf(state: State): Home {
  const node = firstNode(state).name
  const storage = storagesOn(state, node).find(([, { content }]) => content.includes('images'))?.[0]
  return { node, storage: storage ?? '' }
}
