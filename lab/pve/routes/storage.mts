/** /storage and /nodes/{node}/storage: the storages and how full they are. */

import { failure } from '../errors.mts'
import { flag, nodeName, optional, storageId, text } from '../parameters.mts'
import { allOf, anyOf, anyone, type Caller, hasAny } from '../permission.mts'
import type { Pve } from '../pve.mts'
import { type Route, route } from '../route.mts'
import type { StorageConfig } from '../state.mts'
import { spaceOf } from '../storage/space.mts'
import { storageOf } from '../storage/storages.mts'

const configOf = (pve: Pve, id: string) => {
  const storage = pve.store.state.storages[id]
  if (!storage) throw failure(`storage '${id}' does not exist`)
  const where = storage.type === 'dir' ? { path: storage.path } : { pool: id }
  return { storage: id, type: storage.type, content: storage.content.join(','), ...where }
}

const visibleStorages = (pve: Pve, caller: Caller) =>
  Object.entries(pve.store.state.storages).filter(([id]) =>
    hasAny(caller, `/storage/${id}`, 'Datastore.Audit', 'Datastore.AllocateSpace'),
  )

async function statusOf(storage: StorageConfig) {
  const flags = { active: 1, enabled: 1, shared: 0 }
  return { type: storage.type, content: storage.content.join(','), ...flags, ...(await spaceOf(storage)) }
}

async function listEntry(id: string, storage: StorageConfig) {
  const status = await statusOf(storage)
  return { storage: id, ...status, used_fraction: status.total > 0 ? status.used / status.total : 0 }
}

/** Asks for several kinds mean any of them. */
const holds = (storage: StorageConfig, wanted: string | undefined) =>
  wanted === undefined || wanted.split(/[,;\s]+/).some(kind => storage.content.includes(kind))

export const storageRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/storage',
    permission: anyone,
    parameters: { type: optional(text) },
    handle: ({ pve, caller, params }) =>
      visibleStorages(pve, caller)
        .filter(([, storage]) => params.type === undefined || storage.type === params.type)
        .map(([id]) => configOf(pve, id)),
  }),
  route({
    method: 'GET',
    path: '/storage/{storage}',
    permission: allOf('/storage/{storage}', 'Datastore.Allocate'),
    parameters: { storage: storageId },
    handle: ({ pve, params }) => configOf(pve, params.storage),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/storage',
    permission: anyone,
    parameters: {
      node: nodeName,
      storage: optional(storageId),
      content: optional(text),
      enabled: optional(flag),
      format: optional(flag),
      target: optional(nodeName),
    },
    handle: ({ pve, caller, params }) =>
      Promise.all(
        visibleStorages(pve, caller)
          .filter(([id, storage]) => (params.storage ?? id) === id && holds(storage, params.content))
          .map(([id, storage]) => listEntry(id, storage)),
      ),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/status',
    permission: anyOf('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'),
    parameters: { node: nodeName, storage: storageId },
    handle: ({ pve, params }) => statusOf(storageOf(pve, params.storage)),
  }),
]
