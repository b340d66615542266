/** Names of volumes, as each type of storage writes and reads them (`parse_volname` of its plugin). */

import { failure } from '../core/errors.mts'
import type { StorageConfig, Volume } from '../core/state.mts'
import { isFileBased } from './types.mts'

/** Types of content that are files. */
export type FileType = 'iso' | 'vztmpl' | 'backup' | 'snippets' | 'import'

export interface ParsedName {
  type: 'images' | FileType
  /** Own name, without folders and without a base: `vm-100-disk-0`, `debian.iso`. */
  name: string
  /** VM that it belongs to. */
  vmid: number | undefined
  /** Own name of the base of a linked clone. */
  base: string | undefined
  isBase: boolean
  /** `raw`, `qcow2`, `vmdk`; of an import also `ova`, `ovf` or `ova+vmdk`. */
  format: string
}

const ISO_NAME = /^[^/]+\.(?:iso|img)$/i
const TEMPLATE_NAME = /^[^/]+\.(?:(tar)|tar\.(gz|xz|zst|bz2))$/i
const BACKUP_NAME = /^[^/]+\.(tgz|(?:tar|vma)(?:\.(?:gz|lzo|zst|bz2))?)$/
const IMPORT_NAME = /^[ a-zA-Z0-9\-.+=_]+\.(ova|ovf|qcow2|raw|vmdk)$/
const OVA_CONTENT = /^[ a-zA-Z0-9\-.+=_]+\.ova\/[ a-zA-Z0-9\-.+=_]+\.(qcow2|raw|vmdk)$/

const NO_DISK = { vmid: undefined, base: undefined, isBase: false }

/** Reads the name of a disk's file. @throws {ApiError} for another name. */
export function parseDiskFile(name: string): { isBase: boolean; format: string } {
  if (/^snap-.*\.qcow2$/.test(name)) throw failure(`'${name}' is a snapshot filename, not a volume!`)
  const [, base, format] = /^(base-)?[^/\s]+\.(raw|qcow2|vmdk|subvol)$/.exec(name) ?? []
  if (format === undefined) throw failure(`unable to parse volume filename '${name}'`)
  return { isBase: base !== undefined, format }
}

function parseImage(volname: string): ParsedName | undefined {
  const [, , base, vmid, name] = /^(?:(\d+)\/(\S+)\/)?(\d+)\/(\S+)$/.exec(volname) ?? []
  if (name === undefined) return undefined
  if (base !== undefined) parseDiskFile(base)
  return { type: 'images', name, vmid: Number(vmid), base, ...parseDiskFile(name) }
}

function parseImport(name: string): ParsedName | undefined {
  const inner = OVA_CONTENT.exec(name)?.[1]
  const format = inner === undefined ? IMPORT_NAME.exec(name)?.[1] : `ova+${inner}`
  return format === undefined ? undefined : { ...NO_DISK, type: 'import', name, format }
}

function parseFile(volname: string): ParsedName | undefined {
  const [, type, name] = /^(iso|vztmpl|backup|snippets|import)\/(.+)$/.exec(volname) ?? []
  if (name === undefined) return undefined
  if (type === 'import') return parseImport(name)
  const file = { ...NO_DISK, type: type as FileType, name, format: 'raw' }
  if (type === 'iso') return ISO_NAME.test(name) ? file : undefined
  if (type === 'vztmpl') return TEMPLATE_NAME.test(name) ? file : undefined
  if (type === 'snippets') return name.includes('/') ? undefined : file
  if (!BACKUP_NAME.test(name)) return undefined
  const vmid = /^vzdump-(?:openvz|lxc|qemu)-(\d+)-.+/.exec(name)?.[1]
  return { ...file, vmid: vmid === undefined ? undefined : Number(vmid) }
}

/** Returns the format that a list shows for a file; undefined for a file that is not of this type. */
export function listedFormat(type: FileType, name: string): string | undefined {
  switch (type) {
    case 'iso':
      return ISO_NAME.test(name) ? 'iso' : undefined
    case 'vztmpl': {
      const [, tar, packed] = TEMPLATE_NAME.exec(name) ?? []
      return tar ?? (packed && `t${packed}`)
    }
    case 'backup':
      return BACKUP_NAME.exec(name)?.[1]
    case 'import':
      return /^[a-zA-Z0-9\-.+=_]+\.(ova|ovf|qcow2|raw|vmdk)$/i.exec(name)?.[1]
    case 'snippets':
      return 'snippet'
  }
}

function parseDevice(volname: string, pattern: RegExp): ParsedName | undefined {
  const { base, name, kind, vmid } = pattern.exec(volname)?.groups ?? {}
  if (name === undefined) return undefined
  return { type: 'images', name, vmid: Number(vmid), base, isBase: kind === 'base', format: 'raw' }
}

const ZFS_NAME = /^(?:(?<base>base-\d+-\S+)\/)?(?<name>(?<kind>base|vm)-(?<vmid>\d+)-\S+)$/
const THIN_NAME = /^(?<name>(?<kind>vm|base)-(?<vmid>\d+)-\S+)$/
const LVM_NAME = /^(?<name>(?<kind>vm)-(?<vmid>\d+)-\S+)$/

function parseLvm(volname: string, pattern: RegExp): ParsedName | undefined {
  if (!/^[a-z0-9][a-z0-9\-_.]*[a-z0-9]$/i.test(volname))
    throw failure(`lvm name '${volname}' contains illegal characters`)
  return parseDevice(volname, pattern)
}

/** Reads the part of a volume id after the storage. @throws {ApiError} for a name that the storage cannot have. */
export function parseVolumeName({ type }: Pick<StorageConfig, 'type'>, volname: string): ParsedName {
  const [parsed, kind] = parsedBy(type, volname)
  if (parsed === undefined) throw failure(`unable to parse ${kind} volume name '${volname}'`)
  return parsed
}

function parsedBy(type: StorageConfig['type'], volname: string): [ParsedName | undefined, string] {
  if (type === 'zfspool') return [parseDevice(volname, ZFS_NAME), 'zfs']
  if (type === 'lvmthin') return [parseLvm(volname, THIN_NAME), 'lvm']
  if (type === 'lvm') return [parseLvm(volname, LVM_NAME), 'lvm']
  if (type === 'pbs') return [undefined, 'PBS']
  return [parseImage(volname) ?? parseFile(volname), 'directory']
}

/** Returns a volume's name. A file-based storage has a folder per VM and an extension, a pool has neither. */
export function volumeName(
  storage: StorageConfig,
  vmid: number,
  name: string,
  format: Volume['format'],
): string {
  return isFileBased(storage) ? `${vmid}/${name}.${format}` : name
}
