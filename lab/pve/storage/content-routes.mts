/** /nodes/{node}/storage/{storage}/content: files and volumes on a storage. */

import { rm } from 'node:fs/promises'
import { failure } from '../core/errors.mts'
import { integer, nodeName, optional, storageId, text, vmid } from '../core/parameters.mts'
import { anyOf, anyone, type Caller, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { requireVolumeAccess } from './access.mts'
import { findFile, listFiles, requireFile, type StoredFile } from './files.mts'
import { parseVolumeName } from './names.mts'
import { findVolume, storageOf, volumesOn } from './storages.mts'
import { isFileBased } from './types.mts'
import { freeVolume } from './volumes.mts'

/** Entry of a storage's content. */
interface Entry extends ApiObject {
  volid: string
}

function fileEntry({ volid, content, format, size, ctime }: StoredFile): Entry {
  return { volid, content, format, size, ctime }
}

/** Describes a disk as its storage lists it. Only files and ZFS know the base of a linked clone. */
function volumeEntry(storage: StorageConfig, [volid, volume]: [string, Volume]): Entry {
  const { format, size, vmid, ctime, written } = volume
  const { name, base } = parseVolumeName(storage, volid.slice(volid.indexOf(':') + 1))
  const entry = { volid, content: 'images', format, size, vmid }
  if (storage.type === 'zfspool')
    return { ...entry, name, parent: base === undefined ? null : `${base}@__base__` }
  if (!isFileBased(storage)) return { ...entry, ctime }
  return { ...entry, ctime, used: written, parent: backingFile(volid, base) }
}

/** Returns the relative path of a linked clone's base, as its qcow2 file names it. */
function backingFile(volid: string, base: string | undefined): string | null {
  const folder = /^[^:]*:(\d+)\//.exec(volid)?.[1]
  return base === undefined ? null : `../${folder}/${base}`
}

/** Checks whether the caller may read a volume. Lists omit all others. */
function isReadable(pve: Pve, caller: Caller, volid: string): boolean {
  try {
    requireVolumeAccess(pve, caller, volid, undefined)
    return true
  } catch {
    return false
  }
}

async function listContent(pve: Pve, caller: Caller, storage: string): Promise<Entry[]> {
  const config = storageOf(pve, storage)
  const volumes = volumesOn(pve, storage).map(volume => volumeEntry(config, volume))
  const all = [...(await listFiles(pve, storage)).map(fileEntry), ...volumes]
  return all.filter(entry => isReadable(pve, caller, entry.volid))
}

/**
 * Returns the volume id for a path. Clients give the whole id or the part after the storage.
 * @throws {ApiError} for a name that leads to another folder.
 */
function volidOf(storage: string, volume: string): string {
  const name = volume.slice(volume.indexOf(':') + 1)
  if (/(^|\/)\.\.?(\/|$)/.test(name)) throw failure(`unable to parse directory volume name '${name}'`)
  return volume.includes(':') ? volume : `${storage}:${volume}`
}

async function describe(pve: Pve, volid: string): Promise<ApiObject> {
  const volume = findVolume(pve, volid)
  if (volume) return { path: volume.path, format: volume.format, size: volume.size, used: volume.size }
  const { path, format, size } = await requireFile(pve, volid)
  return { path, format, size, used: size }
}

async function removeVolume(pve: Pve, volid: string): Promise<void> {
  if (pve.store.state.volumes[volid]) return freeVolume(pve, volid)
  const file = await findFile(pve, volid)
  if (file) await rm(file.path)
}

const path = '/nodes/{node}/storage/{storage}/content'

export const storageContentRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyOf('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'),
    parameters: { node: nodeName, storage: storageId, content: optional(text), vmid: optional(vmid) },
    async handle({ pve, caller, params }) {
      const entries = await listContent(pve, caller, params.storage)
      return entries
        .filter(entry => (params.content ?? entry.content) === entry.content)
        .filter(entry => params.vmid === undefined || ('vmid' in entry && entry.vmid === params.vmid))
    },
  }),
  route({
    method: 'GET',
    path: `${path}/{volume*}`,
    permission: anyone,
    parameters: { node: nodeName, storage: storageId, volume: text },
    handle({ pve, caller, params }) {
      const volid = volidOf(params.storage, params.volume)
      requireVolumeAccess(pve, caller, volid, undefined)
      return describe(pve, volid)
    },
  }),
  route({
    method: 'DELETE',
    path: `${path}/{volume*}`,
    permission: anyone,
    parameters: {
      node: nodeName,
      storage: storageId,
      volume: text,
      delay: optional({ ...integer, minimum: 1, maximum: 30 }),
    },
    handle({ pve, caller, params }) {
      const volid = volidOf(params.storage, params.volume)
      requireAll(caller, `/storage/${params.storage}`, 'Datastore.Allocate')
      storageOf(pve, params.storage)
      const owner = pve.store.state.volumes[volid]?.vmid
      return pve.tasks.start({
        type: 'imgdel',
        id: owner === undefined ? params.storage : `${owner}@${params.storage}`,
        authid: caller.authid,
        work: () => removeVolume(pve, volid),
      })
    },
  }),
]
