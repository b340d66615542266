/** Makes, changes and removes storages: the section of storage.cfg of each (PVE/API2/Storage/Config.pm). */

import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { failure, messageOf } from '../core/errors.mts'
import { mountPoint } from '../core/node-paths.mts'
import { splitList } from '../core/parameters.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig, StorageType } from '../core/state.mts'
import { ALWAYS_SHARED, SECRETS, TYPE_OPTIONS } from './config-schema.mts'
import { createFolders } from './files.mts'
import { traitsOf } from './types.mts'

/** Options of a request with their texts. */
export type Settings = Record<string, string>

/** Options that have a field of their own in the state. */
const FIELDS = ['content', 'nodes', 'shared']

function optionsOf(type: string): { known: string[]; fixed: readonly string[]; needed: readonly string[] } {
  const options = TYPE_OPTIONS[type]
  // Honest where the lab ends: it has no such server, and Proxmox needs one to add the storage.
  if (!options) throw failure(`storage type '${type}' is not there in the lab`)
  const { fixed, optional, optionalFixed = [] } = options
  return {
    known: [...fixed, ...optional, ...optionalFixed],
    fixed: [...fixed, ...optionalFixed],
    needed: fixed,
  }
}

/** Returns the settings without what Proxmox keeps in other files. */
function withoutSecrets(type: string, settings: Settings): Settings {
  const kept = Object.entries(settings).filter(([key]) => !SECRETS[type]?.includes(key))
  return Object.fromEntries(kept)
}

/** @throws {ApiError} for an option that the type does not have, or cannot change. */
function requireKnown(type: string, settings: Settings, isNew: boolean): void {
  const { known, fixed } = optionsOf(type)
  for (const [key, value] of Object.entries(settings)) {
    if (!isNew && fixed.includes(key)) throw failure(`can't change value of fixed parameter '${key}'`)
    if (!known.includes(key)) throw failure(`unexpected property '${key}'`)
    if (/[\n\r]/.test(value)) throw failure('property contains a line feed')
  }
}

/** @throws {ApiError} for content that the type does not have. Unknown content beside known one is only warned of. */
function contentOf(type: StorageType, value: string): string[] {
  const { contents } = traitsOf({ type })
  const content = [...new Set(splitList(value))].filter(kind => contents.includes(kind))
  if (content.includes('none') && content.length > 1)
    throw failure("unable to combine 'none' with other content types")
  if (content.length === 0 && !contents.includes('none'))
    throw failure("storage does not support content type 'none'")
  return content.filter(kind => kind !== 'none')
}

function fieldsOf(type: StorageType, { content, nodes, shared }: Settings): Partial<StorageConfig> {
  return {
    ...(content !== undefined && { content: contentOf(type, content) }),
    ...(nodes !== undefined && { nodes: nodes === '' ? undefined : splitList(nodes) }),
    ...(shared !== undefined && { shared: shared === '1' }),
  }
}

function propertiesOf(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !FIELDS.includes(key)))
}

/** Returns the path without double and trailing slashes. @throws {ApiError} for characters that a path cannot have. */
function cleanPath(path: string): string {
  if (!/^\/[-/a-zA-Z0-9_.@]+$/.test(path)) throw failure(`illegal path for directory storage: ${path}`)
  return path.replace(/\/+/g, '/').replace(/(.)\/$/, '$1')
}

/** Adds what the plugin fills in: the mount point of a network storage. */
function completed(id: string, type: string, settings: Settings): Settings {
  if (['nfs', 'cifs', 'cephfs'].includes(type) && !settings['path'])
    return { ...settings, path: `/mnt/pve/${id}` }
  return settings
}

/** Reads the settings of a new storage. @throws {ApiError} for a missing, unknown or wrong option. */
function newConfig(id: string, type: string, sent: Settings): Omit<StorageConfig, 'path'> {
  const settings = completed(id, type, withoutSecrets(type, sent))
  requireKnown(type, settings, true)
  const missing = optionsOf(type).needed.find(key => settings[key] === undefined)
  if (missing !== undefined) throw failure(`missing value for required option '${missing}'`)
  const kind = type as StorageType
  const { path } = settings
  const isPlain = kind === 'dir' || kind === 'btrfs'
  return {
    type: kind,
    content: traitsOf({ type: kind }).defaultContent.slice(),
    shared: ALWAYS_SHARED.includes(type),
    ...fieldsOf(kind, settings),
    properties: propertiesOf(isPlain ? { ...settings, path: cleanPath(path!) } : settings),
  }
}

function isOn(value: string | undefined, otherwise: boolean): boolean {
  return value === undefined ? otherwise : value === '1'
}

/** Checks that a storage could be used. Nothing is mounted in the lab. @throws {ApiError} of the plugin. */
function requireActive(pve: Pve, id: string, storage: StorageConfig): void {
  const { properties = {} } = storage
  if (properties['disable'] === '1' || properties['path'] === undefined) return
  const expected = properties['is_mountpoint']
  if (expected !== undefined && !/^(0|no|off|false)$/i.test(expected)) {
    const place = expected.startsWith('/') ? expected : properties['path']
    throw failure(
      `unable to activate storage '${id}' - directory is expected to be a mount point but is not mounted: '${place}'`,
    )
  }
  const makes = isOn(properties['create-base-path'], isOn(properties['mkdir'], true))
  const isThere = Object.entries(pve.store.state.storages).some(
    ([other, config]) => other !== id && mountPoint(other, config) === properties['path'],
  )
  if (!makes && !isThere)
    throw failure(
      `unable to activate storage '${id}' - directory '${properties['path']}' does not exist or is unreachable`,
    )
}

/** Runs a change of storage.cfg. @throws {ApiError} whose text begins with what failed. */
async function locked<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw failure(`${what} storage failed: ${messageOf(error)}`)
  }
}

/** Returns the folder of the lab for a new storage, beside the others. */
function folderFor(pve: Pve, id: string): string {
  const [other] = Object.values(pve.store.state.storages)
  return join(other ? dirname(other.path) : join(pve.dataDir, 'storage'), id)
}

/** Makes a storage. Its pool, volume group or server is taken to be there. */
export async function createStorage(pve: Pve, id: string, type: string, settings: Settings): Promise<void> {
  const config = newConfig(id, type, settings)
  await locked('create', async () => {
    const { storages } = pve.store.state
    if (storages[id]) throw failure(`storage ID '${id}' already defined`)
    const storage = { ...config, path: folderFor(pve, id) }
    requireActive(pve, id, storage)
    await createFolders({ [id]: storage })
    storages[id] = storage
  })
}

/** Returns the sum by which a client notices that somebody else changed a storage. */
export function digestOf(pve: Pve): string {
  return createHash('sha1').update(JSON.stringify(pve.store.state.storages)).digest('hex')
}

/** @throws {ApiError} for an option that cannot be removed, or that the request also sets. */
function requireRemovable(type: string, keys: string[], settings: Settings): void {
  const { known, fixed, needed } = optionsOf(type)
  for (const key of keys) {
    if (!known.includes(key)) throw failure(`no such option '${key}'`)
    if (needed.includes(key)) throw failure(`unable to delete required option '${key}'`)
    if (fixed.includes(key)) throw failure(`unable to delete fixed option '${key}'`)
    if (settings[key] !== undefined)
      throw failure(`cannot set and delete property '${key}' at the same time!`)
  }
}

function removeOptions(storage: StorageConfig, keys: string[]): void {
  const { type, properties = {} } = storage
  if (keys.includes('content')) storage.content = traitsOf({ type }).defaultContent.slice()
  if (keys.includes('nodes')) storage.nodes = undefined
  if (keys.includes('shared')) storage.shared = ALWAYS_SHARED.includes(type)
  storage.properties = Object.fromEntries(Object.entries(properties).filter(([key]) => !keys.includes(key)))
}

interface Change {
  settings: Settings
  remove: string[]
  digest: string | undefined
}

/** Changes a storage. @returns its type. */
export function updateStorage(
  pve: Pve,
  id: string,
  { settings: sent, remove, digest }: Change,
): Promise<string> {
  return locked('update', async () => {
    if (digest && digest !== digestOf(pve))
      throw failure('detected modified configuration - file changed by other user? Try again.')
    const storage = pve.store.state.storages[id]
    if (!storage) throw failure(`storage '${id}' does not exist`)
    const settings = withoutSecrets(storage.type, sent)
    requireKnown(storage.type, settings, false)
    const fields = fieldsOf(storage.type, settings)
    requireRemovable(storage.type, remove, settings)
    removeOptions(storage, remove)
    Object.assign(storage, fields)
    storage.properties = { ...storage.properties, ...propertiesOf(settings) }
    await createFolders({ [id]: storage })
    return storage.type
  })
}

/** What Proxmox makes of storage.cfg without a section `local`. */
const DEFAULT_LOCAL: Omit<StorageConfig, 'path'> = {
  type: 'dir',
  content: ['backup', 'images', 'iso', 'rootdir', 'snippets', 'vztmpl'],
  properties: { 'prune-backups': 'keep-all=1' },
}

/** Removes a storage with its ACLs. What it holds stays. `local` is there again at once, with its defaults. */
export function deleteStorage(pve: Pve, id: string): Promise<void> {
  return locked('delete', () => {
    const { storages, access } = pve.store.state
    const storage = storages[id]
    if (!storage) throw failure(`storage '${id}' does not exist`)
    delete storages[id]
    if (id === 'local') storages[id] = { ...structuredClone(DEFAULT_LOCAL), path: storage.path }
    access.acl = access.acl.filter(entry => entry.path !== `/storage/${id}`)
    for (const pool of Object.values(access.pools)) pool.storages = pool.storages.filter(each => each !== id)
  })
}
