/** Reads and checks the description of a cluster. An error names the path of the key and the accepted values. */

import { accepting, type Check, isRecord, matching, parseYaml, readInput } from '../core/checks.mts'
import { LabUsageError } from '../core/lab-error.mts'
import type { ClusterSpec, StorageSpec } from '../pve/core/cluster.mts'
import type { NodeConfig } from '../pve/core/state.mts'
import {
  type ClusterDescription,
  CONTENT_TYPES,
  type NodeDescription,
  STORAGE_TYPES,
  type StorageDescription,
} from './description.mts'
import { nearest } from './nearest.mts'

const GIB = 1024 ** 3

interface Key {
  check: Check
  required?: true
}

function oneOf(words: readonly string[]): Check {
  return accepting(words.join(', '), value => words.includes(value as string))
}

const gib = accepting('a number of GiB above 0', value => typeof value === 'number' && value > 0)
const boolean = accepting('true or false', value => typeof value === 'boolean')

const NODE_KEYS: Record<keyof NodeDescription, Key> = {
  name: {
    check: matching('letters, digits and hyphens, such as pve2', /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i),
    required: true,
  },
  cores: {
    check: accepting('a whole number from 1', value => Number.isInteger(value) && (value as number) >= 1),
  },
  memory: { check: gib },
  online: { check: boolean },
}

const STORAGE_KEYS: Record<keyof StorageDescription, Key> = {
  id: {
    check: matching("a storage's id, such as local-zfs", /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i),
    required: true,
  },
  type: { check: oneOf(STORAGE_TYPES), required: true },
  content: { check: () => undefined, required: true },
  nodes: { check: () => undefined },
  shared: { check: boolean },
  size: { check: gib },
}

function refusal(message: string, hint: string): LabUsageError {
  return new LabUsageError(`the cluster is not accepted: ${message}`, hint)
}

function notAccepted(path: string, value: unknown, accepts: string): LabUsageError {
  return refusal(`${path} is ${JSON.stringify(value)}`, `it takes ${accepts}`)
}

function requireKnown(path: string, word: string, known: readonly string[], what: string): void {
  if (known.includes(word)) return
  const meant = nearest(word, known)
  throw refusal(
    `${path} is not a ${what}`,
    meant === undefined
      ? `known: ${known.join(', ')}`
      : `did you mean \`${meant}\`? Known: ${known.join(', ')}`,
  )
}

/** @param where path of the mapping, without a dot at its end; empty for the whole description. */
function checkKeys(where: string, value: unknown, keys: Record<string, Key>): void {
  if (!isRecord(value)) throw notAccepted(where, value, `keys and values: ${Object.keys(keys).join(', ')}`)
  const at = (key: string) => (where === '' ? key : `${where}.${key}`)
  for (const key of Object.keys(value)) requireKnown(at(key), key, Object.keys(keys), 'known key')
  for (const [key, { check, required }] of Object.entries(keys)) {
    if (value[key] === undefined && required) throw refusal(`${at(key)} is missing`, `add ${key} there`)
    const accepts = value[key] === undefined ? undefined : check(value[key])
    if (accepts !== undefined) throw notAccepted(at(key), value[key], accepts)
  }
}

/** Checks a list: it has at least one word, and every word is known. */
function checkWords(path: string, value: unknown, known: readonly string[], what: string): void {
  if (!Array.isArray(value) || value.length === 0)
    throw notAccepted(path, value, `a list of ${known.join(', ')}`)
  for (const [index, word] of value.entries())
    requireKnown(`${path}[${index}] \`${word}\``, word, known, what)
}

function checkUnique(path: string, key: string, names: string[]): void {
  const second = names.findIndex((name, index) => names.indexOf(name) < index)
  if (second >= 0)
    throw refusal(`${path}[${second}].${key} \`${names[second]}\` is there twice`, `give each its own ${key}`)
}

function checkList(path: string, value: unknown): void {
  if (!Array.isArray(value) || value.length === 0) throw notAccepted(path, value, 'a list of at least one')
}

/** Types that keep files in folders, with whether all nodes always see one set of them. */
const FILE_TYPES: Partial<Record<string, 'shared' | 'own'>> = {
  dir: 'own',
  btrfs: 'own',
  nfs: 'shared',
  cifs: 'shared',
}

function checkStorage(where: string, storage: StorageDescription, nodes: string[]): void {
  checkKeys(where, storage, STORAGE_KEYS)
  const { type, content, shared } = storage
  const files = FILE_TYPES[type]
  const kinds = files !== undefined ? CONTENT_TYPES : ['images', 'rootdir']
  checkWords(`${where}.content`, content, kinds, `content of a ${type} storage`)
  if (storage.nodes !== undefined) checkWords(`${where}.nodes`, storage.nodes, nodes, 'node of this cluster')
  if (shared === true && files === undefined)
    throw notAccepted(`${where}.shared`, true, `false for ${type}: each node has a pool of its own`)
  if (shared === false && files === 'shared')
    throw notAccepted(`${where}.shared`, false, `true for ${type}: that is what it is for`)
}

function checkNodes(nodes: NodeDescription[]): void {
  for (const [index, node] of nodes.entries()) checkKeys(`nodes[${index}]`, node, NODE_KEYS)
  checkUnique(
    'nodes',
    'name',
    nodes.map(node => node.name),
  )
  if (nodes[0]!.online === false)
    throw notAccepted('nodes[0].online', false, 'true: the first node serves the API')
}

function nodeFrom({ name, cores, memory, online }: NodeDescription): NodeConfig {
  return {
    name,
    online: online ?? true,
    cores,
    memory: memory === undefined ? undefined : Math.round(memory * GIB),
  }
}

function storageFrom({ id, type, content, nodes, shared, size }: StorageDescription): StorageSpec {
  return {
    id,
    type,
    content,
    nodes,
    shared: shared ?? FILE_TYPES[type] === 'shared',
    size: size === undefined ? undefined : Math.round(size * GIB),
  }
}

/** @throws {LabUsageError} that names the path of the first mistake and the accepted values. */
export function checkCluster(value: unknown): ClusterSpec {
  if (!isRecord(value)) throw refusal('it is not a mapping', 'give `nodes:` and `storages:`')
  const lists = { check: () => undefined, required: true } as const
  checkKeys('', value, { nodes: lists, storages: lists })
  for (const key of ['nodes', 'storages']) checkList(key, value[key])
  const { nodes, storages } = value as unknown as ClusterDescription
  checkNodes(nodes)
  const names = nodes.map(node => node.name)
  for (const [index, storage] of storages.entries()) checkStorage(`storages[${index}]`, storage, names)
  checkUnique(
    'storages',
    'id',
    storages.map(storage => storage.id),
  )
  return { nodes: nodes.map(nodeFrom), storages: storages.map(storageFrom) }
}

/**
 * Reads a cluster from a YAML file.
 * @throws {LabUsageError} that names the file, the path of the first mistake and the accepted values.
 */
export function readCluster(path: string): Promise<ClusterDescription> {
  return readInput(path, '--cluster takes a YAML file with the nodes and storages', text => {
    const value = parseYaml(
      text,
      reason => new LabUsageError(reason, 'write YAML with `nodes:` and `storages:`'),
    )
    checkCluster(value)
    return value as ClusterDescription
  })
}
