/** Types of storages: their content, formats of disks and features, as Proxmox's plugins declare them. */

import { failure } from '../core/errors.mts'
import type { StorageConfig, StorageType, Volume } from '../core/state.mts'

type Format = Volume['format']

/** What can be done with a volume (`volume_has_feature` in PVE/Storage.pm). */
export type Feature = 'snapshot' | 'clone' | 'template' | 'copy' | 'rename'

/** What a feature needs: the volume as it is, a base, or a snapshot of it. */
export type Aspect = 'current' | 'base' | 'snap'

type Features = Partial<Record<Feature, Partial<Record<Aspect, readonly Format[]>>>>

interface Traits {
  /** Keeps volumes as files in folders. Others are pools of block devices, or not for disks at all. */
  files: boolean
  contents: readonly string[]
  /** Content of a storage that is made without `content`. */
  defaultContent: readonly string[]
  /** Formats of disks that it accepts. */
  formats: readonly Format[]
  /** Also accepts folders of containers (`subvol`), which the lab does not have. */
  guestFolders?: true
  /** Bytes. The size of a disk is rounded up to a multiple of it. */
  unit: number
  features: Features
  /** Place of the check that refuses a format, because its text has no newline and Perl adds the place. */
  refusal: string
}

const ALL_FILES = ['images', 'rootdir', 'vztmpl', 'iso', 'backup', 'snippets', 'import']
const ALL: readonly Format[] = ['qcow2', 'raw', 'vmdk']
const RAW: readonly Format[] = ['raw']

const FILE_FEATURES: Features = {
  snapshot: { current: ['qcow2'], snap: ['qcow2'] },
  clone: { base: ALL },
  template: { current: ALL },
  copy: { base: ALL, current: ALL, snap: ['qcow2'] },
  rename: { current: ALL },
}

const THIN_FEATURES: Features = {
  snapshot: { current: RAW },
  clone: { base: RAW, snap: RAW },
  template: { current: RAW },
  copy: { base: RAW, current: RAW, snap: RAW },
  rename: { current: RAW },
}

/** ZFS clones and copies only what stands: it cannot read a snapshot as a disk. */
const ZFS_FEATURES: Features = {
  snapshot: { current: RAW, snap: RAW },
  clone: { base: RAW },
  template: { current: RAW },
  copy: { base: RAW, current: RAW },
  rename: { current: RAW },
}

const BTRFS_FEATURES: Features = {
  ...THIN_FEATURES,
  snapshot: { current: RAW, snap: RAW },
  clone: { base: RAW, current: RAW, snap: RAW },
}

const FILES: Traits = {
  files: true,
  contents: ALL_FILES,
  defaultContent: ['images'],
  formats: ALL,
  unit: 1,
  features: FILE_FEATURES,
  refusal: '',
}

const POOL: Traits = {
  files: false,
  contents: ['images', 'rootdir'],
  defaultContent: ['images', 'rootdir'],
  formats: RAW,
  unit: 1024,
  features: THIN_FEATURES,
  refusal: '',
}

const MIB = 1024 ** 2
/** LVM's default extent. */
const EXTENT = 4 * MIB

const TRAITS: Record<StorageType, Traits> = {
  dir: {
    ...FILES,
    contents: [...ALL_FILES, 'none'],
    defaultContent: ['images', 'rootdir'],
    guestFolders: true,
  },
  nfs: FILES,
  cifs: FILES,
  cephfs: {
    ...FILES,
    contents: ['vztmpl', 'iso', 'backup', 'snippets', 'import'],
    defaultContent: ['backup'],
    formats: [],
  },
  btrfs: {
    ...FILES,
    contents: [...ALL_FILES, 'none'],
    defaultContent: ['images', 'rootdir'],
    formats: RAW,
    features: BTRFS_FEATURES,
    guestFolders: true,
  },
  zfspool: {
    ...POOL,
    unit: MIB,
    features: ZFS_FEATURES,
    guestFolders: true,
    refusal: 'ZFSPoolPlugin.pm line 292',
  },
  lvmthin: { ...POOL, unit: EXTENT, refusal: 'LvmThinPlugin.pm line 102' },
  lvm: {
    ...POOL,
    defaultContent: ['images'],
    unit: EXTENT,
    features: { copy: { base: RAW, current: RAW }, rename: { current: RAW } },
    refusal: 'LVMPlugin.pm line 696',
  },
  pbs: {
    ...POOL,
    contents: ['backup', 'none'],
    defaultContent: ['backup'],
    formats: [],
    features: {},
  },
}

export function traitsOf({ type }: Pick<StorageConfig, 'type'>): Traits {
  return TRAITS[type]
}

/** Checks whether a storage keeps volumes as files in folders. */
export function isFileBased(storage: Pick<StorageConfig, 'type'>): boolean {
  return traitsOf(storage).files
}

/** Returns the format of a new disk for which nobody wants one. */
function defaultFormat(storage: StorageConfig): Format {
  return (storage.properties?.['format'] as Format | undefined) ?? 'raw'
}

/** Returns the format for a copy: the wanted one if the storage accepts it, otherwise its default. */
export function resolveFormat(storage: StorageConfig, hint: string | undefined): Format {
  return traitsOf(storage).formats.find(format => format === hint) ?? defaultFormat(storage)
}

/** Returns the format of a new, empty disk. @throws {ApiError} of the plugin for a format that it does not know. */
export function formatOn(storage: StorageConfig, wanted: string | undefined): Format {
  const format = wanted ?? defaultFormat(storage)
  const { formats, refusal } = traitsOf(storage)
  const accepted = formats.find(known => known === format)
  if (accepted !== undefined) return accepted
  if (format === 'subvol') throw failure('storage does not support subvol quotas')
  if (storage.type === 'lvm' && format === 'qcow2')
    throw failure(
      'snapshot-as-volume-chain option need to be enabled to use qcow2 format at /usr/share/perl5/PVE/Storage/LVMPlugin.pm line 698.',
    )
  throw failure(`unsupported format '${format}' at /usr/share/perl5/PVE/Storage/${refusal}.`)
}

/** Rounds a size up to what the storage can give. @param bytes size that was asked for. */
export function roundedSize(storage: StorageConfig, bytes: number): number {
  const { unit } = traitsOf(storage)
  return Math.ceil(bytes / unit) * unit
}
