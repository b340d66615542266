/** /storage and /nodes/{node}/storage: storages and their space. */

import { isAvailableOn, storagesOn } from '../core/cluster.mts'
import { failure, parameterError } from '../core/errors.mts'
import { mountPoint } from '../core/node-paths.mts'
import { flag, nodeName, optional, splitList, storageId, text } from '../core/parameters.mts'
import { allOf, anyOf, anyone } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { StorageConfig, StorageType } from '../core/state.mts'
import { mayAuditStorage } from './access.mts'
import { spaceOf } from './space.mts'
import { storageOf } from './storages.mts'

/** Returns the keys that say where a storage of each type lies. One that the API made has its own. */
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
  return { ...places[storage.type], ...storage.properties }
}

function configOf(pve: Pve, id: string): ApiObject {
  const storage = pve.store.state.storages[id]
  if (!storage) throw failure(`storage '${id}' does not exist`)
  const { type, content, shared, nodes } = storage
  return {
    storage: id,
    type,
    content: content.join(','),
    ...placeOf(id, storage),
    ...(shared && { shared: 1 }),
    ...(nodes && { nodes: nodes.join(',') }),
  }
}

interface StorageStatus extends ApiObject {
  /** Bytes. */
  total: number
  /** Bytes. */
  used: number
}

async function statusOf(pve: Pve, id: string): Promise<StorageStatus> {
  const { type, content, shared } = storageOf(pve, id)
  const flags = { active: 1, enabled: 1, shared: shared ? 1 : 0 }
  return { type, content: content.join(','), ...flags, ...(await spaceOf(pve, id)) }
}

async function listEntry(pve: Pve, id: string): Promise<ApiObject> {
  const status = await statusOf(pve, id)
  return { storage: id, ...status, used_fraction: status.total > 0 ? status.used / status.total : 0 }
}

/** Checks that a storage is shared and that another node has it, too. */
function isSharedWith(storage: StorageConfig, node: string): boolean {
  return storage.shared === true && isAvailableOn(storage, node)
}

/** @param wanted list of content types; one of them is enough. */
function holds(storage: StorageConfig, wanted: string | undefined): boolean {
  return wanted === undefined || splitList(wanted).some(kind => storage.content.includes(kind))
}

export const storageRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/storage',
    permission: anyone,
    parameters: { type: optional(text) },
    handle: ({ pve, caller, params }) =>
      Object.entries(pve.store.state.storages)
        .filter(([id]) => mayAuditStorage(caller, id))
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
    handle({ pve, caller, params }) {
      const { storage: wanted, content, target } = params
      const listed = storagesOn(pve.store.state, pve.node)
        .filter(([id, storage]) => (wanted ?? id) === id && holds(storage, content))
        .filter(([, storage]) => target === undefined || target === pve.node || isSharedWith(storage, target))
        .filter(([id]) => mayAuditStorage(caller, id))
      return Promise.all(listed.map(([id]) => listEntry(pve, id)))
    },
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/status',
    permission: anyOf('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'),
    parameters: { node: nodeName, storage: storageId },
    handle({ pve, params }) {
      const here = storagesOn(pve.store.state, pve.node).some(([id]) => id === params.storage)
      if (!here) throw parameterError({ storage: 'No such storage.' })
      return statusOf(pve, params.storage)
    },
  }),
]
