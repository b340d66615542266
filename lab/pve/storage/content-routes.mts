/** /nodes/{node}/storage/{storage}/content: files and volumes on a storage. */

import { parameterError } from '../core/errors.mts'
import { flag, integer, nodeName, optional, storageId, text, vmid } from '../core/parameters.mts'
import { allOf, anyOf, anyone } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { endedWithin } from '../core/task.mts'
import { requireDeletable, requireVolumeAccess } from './access.mts'
import { allocateNamed } from './allocate.mts'
import { describeVolume, listContent } from './content.mts'
import { contentType } from './formats.mts'
import { mark } from './marks.mts'
import { removeContent } from './remove.mts'
import { parsedVolume, parseVolumeId, type VolumeId } from './storages.mts'

/** Reads a volume that clients name by its whole id or by the part after the storage. @throws {ApiError} 400 */
function volumeIn({ storage = '', volume }: { storage?: string; volume: string }): VolumeId {
  if (!volume.includes(':')) return { storage, name: volume }
  const id = parseVolumeId(volume)
  if (!id) throw parameterError({ volume: `unable to parse volume ID '${volume}'\n` })
  if (id.storage !== storage)
    throw parameterError({ volume: `storage ID mismatch (${id.storage} != ${storage})\n` })
  return id
}

function volidOf({ storage, name }: VolumeId): string {
  return `${storage}:${name}`
}

const path = '/nodes/{node}/storage/{storage}/content'
const place = { node: nodeName, storage: storageId }
const volume = { node: nodeName, storage: optional(storageId), volume: text }

export const storageContentRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyOf('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'),
    parameters: { ...place, content: optional({ ...text, format: contentType }), vmid: optional(vmid) },
    handle: ({ pve, caller, params: { storage, content, vmid } }) =>
      listContent(pve, caller, storage, { content, vmid }),
  }),
  route({
    method: 'POST',
    path,
    permission: allOf('/storage/{storage}', 'Datastore.AllocateSpace'),
    parameters: {
      ...place,
      filename: text,
      vmid,
      size: { ...text, pattern: /^\d+[MG]?$/ },
      format: optional({ ...text, enum: ['raw', 'qcow2', 'subvol', 'vmdk'], requires: 'size' }),
    },
    handle: ({ pve, params }) => allocateNamed(pve, { ...params, name: params.filename }),
  }),
  route({
    method: 'GET',
    path: `${path}/{volume*}`,
    permission: anyone,
    parameters: volume,
    handle({ pve, caller, params }) {
      const id = volumeIn(params)
      requireVolumeAccess(pve, caller, volidOf(id), undefined)
      return describeVolume(pve, id)
    },
  }),
  route({
    method: 'PUT',
    path: `${path}/{volume*}`,
    permission: anyone,
    parameters: { ...volume, notes: optional(text), protected: optional(flag) },
    async handle({ pve, caller, params }) {
      const id = volumeIn(params)
      requireVolumeAccess(pve, caller, volidOf(id), undefined)
      await mark(pve, id, params)
    },
  }),
  route({
    method: 'DELETE',
    path: `${path}/{volume*}`,
    permission: anyone,
    parameters: { ...volume, delay: optional({ ...integer, minimum: 1, maximum: 30 }) },
    async handle({ pve, caller, params }) {
      const id = volumeIn(params)
      requireDeletable(pve, caller, id)
      const { vmid: owner } = parsedVolume(pve, id)
      const upid = await pve.tasks.start({
        type: 'imgdel',
        id: owner === undefined ? id.storage : `${owner}@${id.storage}`,
        authid: caller.authid,
        work: task => removeContent(pve, id, task),
      })
      return params.delay === undefined ? upid : endedWithin(pve.tasks, upid, params.delay)
    },
  }),
]
