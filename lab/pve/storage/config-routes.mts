/** /storage: the storages of the cluster, as storage.cfg has them. */

import { failure } from '../core/errors.mts'
import { mountPoint } from '../core/node-paths.mts'
import { optional, type RawParameters, splitList, storageId } from '../core/parameters.mts'
import { allOf, anyone } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { StorageConfig, StorageType } from '../core/state.mts'
import { mayAuditStorage } from './access.mts'
import { createStorage, deleteStorage, digestOf, type Settings, updateStorage } from './config.mts'
import { CREATE_PARAMETERS, UPDATE_PARAMETERS } from './config-schema.mts'

/** Returns the keys that say where a storage lies that the lab's owner described. */
function placeOf(id: string, storage: StorageConfig): ApiObject {
  const path = mountPoint(id, storage)
  const places: Record<StorageType, ApiObject> = {
    dir: { path },
    btrfs: { path },
    nfs: { path, server: '127.0.0.1', export: path },
    cifs: { path, server: '127.0.0.1', share: id },
    cephfs: { path },
    zfspool: { pool: id },
    lvmthin: { vgname: id, thinpool: 'data' },
    lvm: { vgname: id },
    pbs: { server: '127.0.0.1', datastore: id },
  }
  return places[storage.type]
}

/** Flags and numbers are numbers in the answer, other options are texts. */
function shown(properties: Settings): ApiObject {
  const isText = (key: string): boolean =>
    CREATE_PARAMETERS[key as keyof typeof CREATE_PARAMETERS]?.type === 'string'
  return Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [key, isText(key) ? value : Number(value)]),
  )
}

function configOf(pve: Pve, id: string): ApiObject {
  const storage = pve.store.state.storages[id]
  if (!storage) throw failure(`storage '${id}' does not exist`)
  const { type, content, shared, nodes, properties } = storage
  return {
    storage: id,
    type,
    content: content.join(',') || 'none',
    digest: digestOf(pve),
    ...placeOf(id, storage),
    ...shown(properties ?? {}),
    ...(shared && { shared: 1 }),
    ...(nodes && { nodes: nodes.join(',') }),
  }
}

/** Returns the options of a request as texts. An empty list of nodes is none. */
function settingsIn(raw: RawParameters, ...leftOut: string[]): Settings {
  const entries = Object.entries(raw).filter(([key]) => !leftOut.includes(key))
  return Object.fromEntries(entries.map(([key, value]) => [key, String(value)]))
}

/** Only a backup server gives back options, and here it makes no key. */
function answerOf(storage: string, type: string): ApiObject {
  return { storage, type, ...(type === 'pbs' && { config: {} }) }
}

export const storageConfigRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/storage',
    permission: anyone,
    parameters: { type: optional(CREATE_PARAMETERS.type) },
    handle: ({ pve, caller, params }) =>
      Object.entries(pve.store.state.storages)
        .filter(([id]) => mayAuditStorage(caller, id))
        .filter(([, storage]) => params.type === undefined || storage.type === params.type)
        .map(([id]) => configOf(pve, id)),
  }),
  route({
    method: 'POST',
    path: '/storage',
    permission: allOf('/storage', 'Datastore.Allocate'),
    parameters: CREATE_PARAMETERS,
    async handle({ pve, params, raw }) {
      const { storage, type } = params
      const { nodes, ...settings } = settingsIn(raw, 'storage', 'type')
      await createStorage(pve, storage, type, nodes ? { ...settings, nodes } : settings)
      return answerOf(storage, type)
    },
  }),
  route({
    method: 'GET',
    path: '/storage/{storage}',
    permission: allOf('/storage/{storage}', 'Datastore.Allocate'),
    parameters: { storage: storageId },
    handle: ({ pve, params }) => configOf(pve, params.storage),
  }),
  route({
    method: 'PUT',
    path: '/storage/{storage}',
    permission: allOf('/storage', 'Datastore.Allocate'),
    parameters: UPDATE_PARAMETERS,
    async handle({ pve, params, raw }) {
      const { storage, digest, delete: removed } = params
      const settings = settingsIn(raw, 'storage', 'digest', 'delete')
      const type = await updateStorage(pve, storage, { settings, remove: splitList(removed), digest })
      return answerOf(storage, type)
    },
  }),
  route({
    method: 'DELETE',
    path: '/storage/{storage}',
    permission: allOf('/storage', 'Datastore.Allocate'),
    parameters: { storage: storageId },
    async handle({ pve, params }) {
      await deleteStorage(pve, params.storage)
    },
  }),
]
