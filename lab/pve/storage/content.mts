/** What a storage holds: its list, and one volume with its path and size (PVE/API2/Storage/Content.pm). */

import { failure } from '../core/errors.mts'
import type { Caller } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { requireVolumeAccess } from './access.mts'
import { findFile, listFiles, type StoredFile } from './files.mts'
import { findImage } from './image-file.mts'
import { notesOf } from './marks.mts'
import { parseVolumeName } from './names.mts'
import { shownPathOf } from './paths.mts'
import { findVolume, parsedVolume, storageOf, type VolumeId, volumesOn } from './storages.mts'
import { isFileBased } from './types.mts'

/** Entry of a storage's content. */
interface Entry extends ApiObject {
  volid: string
  content: string
  vmid?: number
}

function fileEntry({ path: _, ...file }: StoredFile): Entry {
  return file
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

/** Checks whether an entry is in the list of one VM. ISO images and templates are in none, snippets in all. */
function isOfVm({ content, vmid }: Entry, wanted: number | undefined): boolean {
  if (wanted === undefined || content === 'snippets' || content === 'import') return true
  return vmid === wanted
}

function order({ volid: a }: Entry, { volid: b }: Entry): number {
  return a.toLowerCase() < b.toLowerCase() ? -1 : 1
}

interface Wanted {
  content: string | undefined
  vmid: number | undefined
}

/** Lists the content of a storage that the caller may read, sorted by volume id. */
export async function listContent(
  pve: Pve,
  caller: Caller,
  id: string,
  { content, vmid }: Wanted,
): Promise<Entry[]> {
  const storage = storageOf(pve, id)
  const volumes = volumesOn(pve, id).map(volume => volumeEntry(storage, volume))
  const all = [...volumes, ...(await listFiles(pve, id)).map(fileEntry)]
  return all
    .filter(entry => storage.content.includes(entry.content) && (content ?? entry.content) === entry.content)
    .filter(entry => isOfVm(entry, vmid) && isReadable(pve, caller, entry.volid))
    .toSorted(order)
}

/** @throws {ApiError} of the tool behind a pool for a volume that is not there. */
function missingDevice({ type }: StorageConfig, path: string): Error {
  const name = path.split('/').slice(-2).join('/')
  if (type === 'zfspool') return failure(`zfs error: cannot open '${name}': dataset does not exist`)
  return failure(`can't get size of '${path}':   Failed to find logical volume "${name}"`)
}

interface Size {
  size: number
  used: number
  format: string
}

function diskSize(pve: Pve, id: VolumeId): Size | undefined {
  const volume = findVolume(pve, `${id.storage}:${id.name}`)
  const storage = storageOf(pve, id.storage)
  if (!volume && !isFileBased(storage)) throw missingDevice(storage, shownPathOf(pve, id))
  if (!volume) return undefined
  const { size, format, written } = volume
  return { size, format, used: storage.type === 'lvm' || storage.type === 'lvmthin' ? 0 : written }
}

/** Reads a file as an image. @returns undefined if there is none, or not one of this format. */
async function fileSize(pve: Pve, id: VolumeId): Promise<Size | undefined> {
  const { format } = parsedVolume(pve, id)
  const file = await findFile(pve, `${id.storage}:${id.name}`)
  const known = ['raw', 'qcow2', 'vmdk'].includes(format) ? format : 'raw'
  return file && findImage(pve, file.path, known)
}

/** Describes one volume. @throws {ApiError} if it is not there, is not what its name says, or is empty. */
export async function describeVolume(pve: Pve, id: VolumeId): Promise<ApiObject> {
  const path = shownPathOf(pve, id)
  const volid = `${id.storage}:${id.name}`
  const { type } = parsedVolume(pve, id)
  const found = type === 'images' ? diskSize(pve, id) : await fileSize(pve, id)
  if (!found) throw failure(`volume_size_info on '${volid}' failed - no format`)
  const { size, used, format } = found
  if (size === 0) throw failure(`volume '${volid}' has size zero`)
  return { path, size, used, format, ...(await notesOf(pve, id)) }
}
