/** /nodes/{node}/storage: storages as a node sees them, and their space. */

import { isAvailableOn } from '../core/cluster.mts'
import { parameterError } from '../core/errors.mts'
import { flag, listOf, nodeName, optional, splitList, storageId, text } from '../core/parameters.mts'
import { anyOf, anyone } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { StorageConfig } from '../core/state.mts'
import { mayAuditStorage } from './access.mts'
import { contentType } from './formats.mts'
import { history, TIMEFRAMES } from './history.mts'
import { spaceOf } from './space.mts'
import { traitsOf } from './types.mts'

const NO_SPACE = { total: 0, used: 0, avail: 0 }

function isEnabled(pve: Pve, storage: StorageConfig): boolean {
  return storage.properties?.['disable'] !== '1' && isAvailableOn(storage, pve.node)
}

/** A storage that is not enabled on this node is listed, too, without any space. */
async function statusOf(pve: Pve, id: string, storage: StorageConfig): Promise<ApiObject> {
  const { type, content, shared } = storage
  const enabled = isEnabled(pve, storage)
  const space = enabled ? await spaceOf(pve, id).catch(() => undefined) : undefined
  const flags = { active: space ? 1 : 0, enabled: enabled ? 1 : 0, shared: shared ? 1 : 0 }
  return { type, content: content.join(','), ...flags, ...(space ?? NO_SPACE) }
}

function formatsOf(storage: StorageConfig): ApiObject {
  const { formats, guestFolders } = traitsOf(storage)
  const valid = [...formats, ...(guestFolders ? ['subvol'] : [])].sort()
  const chosen = storage.properties?.['format'] ?? 'raw'
  return {
    formats: { supported: valid, default: chosen },
    format: [Object.fromEntries(valid.map(format => [format, 1])), chosen],
  }
}

interface Wanted {
  content?: string
  enabled?: boolean
  format?: boolean
  target?: string
}

/** Checks whether a storage is in the list. One that is asked for by content has to be enabled. */
function isListed(pve: Pve, storage: StorageConfig, { content, enabled, target }: Wanted): boolean {
  if (content !== undefined) {
    const holds = splitList(content).some(kind => storage.content.includes(kind))
    if (!holds || !isEnabled(pve, storage)) return false
  }
  if (enabled && storage.properties?.['disable'] === '1') return false
  if (target === undefined || target === pve.node) return true
  return storage.shared === true && isAvailableOn(storage, pve.node) && isAvailableOn(storage, target)
}

async function listEntry(pve: Pve, id: string, storage: StorageConfig, wanted: Wanted): Promise<ApiObject> {
  const status = await statusOf(pve, id, storage)
  const { total, used } = status as { total: number; used: number }
  return {
    storage: id,
    ...status,
    ...(total > 0 && { used_fraction: used / total }),
    ...(wanted.format && isEnabled(pve, storage) && formatsOf(storage)),
  }
}

const place = { node: nodeName, storage: storageId }
const mayLook = anyOf('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace')

/** Operations below a storage, as its index lists them. */
const BELOW = [
  ...['content', 'download-url', 'file-restore', 'import-metadata', 'identity', 'oci-registry-pull'],
  ...['prunebackups', 'rrd', 'rrddata', 'status', 'upload'],
]

export const storageRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/nodes/{node}/storage',
    permission: anyone,
    parameters: {
      node: nodeName,
      storage: optional(storageId),
      content: optional({ ...text, format: listOf(contentType) }),
      enabled: optional(flag),
      format: optional(flag),
      target: optional(nodeName),
    },
    async handle({ pve, caller, params }) {
      const { storage: wanted } = params
      const ofContent = { ...(params.content !== undefined && { content: params.content }) }
      const known = Object.entries(pve.store.state.storages).filter(([, storage]) =>
        isListed(pve, storage, ofContent),
      )
      if (wanted !== undefined && !known.some(([id]) => id === wanted))
        throw parameterError({ storage: 'No such storage.' })
      const listed = known
        .filter(([id, storage]) => (wanted ?? id) === id && isListed(pve, storage, params))
        .filter(([id]) => mayAuditStorage(caller, id))
      return Promise.all(listed.map(([id, storage]) => listEntry(pve, id, storage, params)))
    },
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}',
    permission: mayLook,
    parameters: place,
    handle: () => BELOW.map(subdir => ({ subdir })),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/status',
    permission: mayLook,
    parameters: place,
    handle({ pve, params }) {
      const storage = pve.store.state.storages[params.storage]
      if (!storage) throw parameterError({ storage: 'No such storage.' })
      return statusOf(pve, params.storage, storage)
    },
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/storage/{storage}/rrddata',
    permission: mayLook,
    parameters: {
      ...place,
      timeframe: { ...text, enum: TIMEFRAMES },
      cf: optional({ ...text, enum: ['AVERAGE', 'MAX'] }),
    },
    async handle({ pve, params }) {
      const { total, used } = await spaceOf(pve, params.storage)
      return history(params.timeframe, pve.now() / 1000, { total, used })
    },
  }),
]
