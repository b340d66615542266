/** Makes a disk under a name that the client chose (`alloc_image` of the plugins). */

import { failure, parameterError } from '../core/errors.mts'
import { deviceFolder } from '../core/node-paths.mts'
import type { Pve } from '../core/pve.mts'
import type { StorageConfig } from '../core/state.mts'
import { parseDiskFile, parseVolumeName } from './names.mts'
import { createVolume } from './new-volumes.mts'
import { shownPathOf } from './paths.mts'
import { findVolume, storageOf } from './storages.mts'
import { formatOn, isFileBased } from './types.mts'

interface Allocation {
  storage: string
  vmid: number
  /** Name without folder. Empty: the next free one. */
  name: string
  /** KiB, or with `M` or `G`. */
  size: string
  format?: string | undefined
}

const KIB: Record<string, number> = { '': 1, M: 1024, G: 1024 ** 2 }

function bytesOf(size: string): number {
  const [, number, unit] = /^(\d+)([MG]?)$/.exec(size)!
  return Number(number) * KIB[unit!]! * 1024
}

/** Returns the format in a name. @throws {ApiError} 400 if the client wants another one. */
function formatIn({ name, format }: Allocation): string | undefined {
  const own = /\.(raw|qcow2|vmdk)$/.exec(name)?.[1]
  if (own !== undefined && format !== undefined && own !== format)
    throw parameterError({ format: `different storage formats (${format} != ${own})` })
  return own ?? format
}

/** @throws {ApiError} of the plugin for a name that its storage does not give to a disk of this VM. */
function requireName(storage: StorageConfig, { name, vmid }: Allocation, format: string): void {
  if (isFileBased(storage)) {
    const { format: own } = parseDiskFile(name)
    if (own !== format)
      throw failure(`illegal name '${name}' - wrong extension for format ('${own} != '${format}')`)
  } else if (storage.type === 'lvm') parseVolumeName(storage, name)
  else if (!name.startsWith(`vm-${vmid}-`)) throw failure(`illegal name '${name}' - should be 'vm-${vmid}-*'`)
}

/** The plugin looks at the begin of a name only. @throws {ApiError} of the tool behind a pool for the rest of it. */
function requireToolName(id: string, storage: StorageConfig, name: string): void {
  const inPool = poolName(id, storage, name)
  const invalid = /[^\w\-:. /]/.exec(name)?.[0]
  if (storage.type === 'lvmthin' && /[^\w\-+.]/.test(name))
    throw failure(`lvcreate '${inPool}' error:   Logical volume name "${name}" is invalid.`)
  if (storage.type !== 'zfspool') return
  const refused = `zfs error: cannot create '${inPool}'`
  if (invalid !== undefined) throw failure(`${refused}: invalid character '${invalid}' in name`)
  if (name.includes('/')) throw failure(`${refused}: parent does not exist`)
}

/** Returns the name of a volume as the tool behind a pool has it: `tank/vm-100-disk-0`. */
function poolName(id: string, storage: StorageConfig, name: string): string {
  return `${deviceFolder(id, storage).split('/').at(-1)}/${name}`
}

/** @throws {ApiError} of the plugin if there is a volume of this name. */
function requireFree(pve: Pve, id: string, storage: StorageConfig, volname: string): void {
  if (!findVolume(pve, `${id}:${volname}`)) return
  const place = shownPathOf(pve, { storage: id, name: volname })
  const inPool = poolName(id, storage, volname)
  if (isFileBased(storage)) throw failure(`disk image '${place}' already exists`)
  if (storage.type === 'zfspool')
    throw failure(`zfs error: cannot create '${inPool}': dataset already exists`)
  throw failure(
    `lvcreate '${inPool}' error:   Logical Volume "${volname}" already exists in volume group "${inPool.split('/')[0]}"`,
  )
}

/** Makes an empty disk. @returns its volume id. @throws {ApiError} for a wrong or taken name, format or storage. */
export async function allocateNamed(pve: Pve, wanted: Allocation): Promise<string> {
  const format = formatIn(wanted)
  const { storage: id, vmid, name } = wanted
  const storage = storageOf(pve, id)
  const known = formatOn(storage, format)
  if (name !== '') {
    requireName(storage, wanted, known)
    requireToolName(id, storage, name)
    requireFree(pve, id, storage, isFileBased(storage) ? `${vmid}/${name}` : name)
  }
  const chosen = name === '' ? undefined : name.replace(isFileBased(storage) ? /\.\w+$/ : '', '')
  return (await createVolume(pve, id, vmid, bytesOf(wanted.size), known, chosen)).volid
}
