/** Options of storage.cfg: the form of each, and which ones each type of storage has (PVE/Storage/*Plugin.pm). */

import { configId, nodeFormat } from '../core/formats.mts'
import { flag, integer, listOf, optional, storageId, text } from '../core/parameters.mts'
import type { Properties, PropertyFormat } from '../core/property.mts'
import {
  absolutePath,
  blockSize,
  contentType,
  folderOverride,
  lvmName,
  mountOptions,
  portal,
  server,
  volumeId,
} from './formats.mts'

const limit = { type: 'number', minimum: 0, optional: true } as const
const keep = { type: 'integer', minimum: 0, optional: true } as const

/** Rules by which old backups are removed (`prune-backups`). */
export const PRUNE_FORMAT: PropertyFormat = {
  properties: {
    'keep-all': optional(flag),
    'keep-last': keep,
    'keep-hourly': keep,
    'keep-daily': keep,
    'keep-weekly': keep,
    'keep-monthly': keep,
    'keep-yearly': keep,
  },
  verify({ 'keep-all': all, ...others }) {
    const isKept = Object.values(others).some(count => Number(count) > 0)
    return all === '1' && isKept ? 'keep-all cannot be set together with other options.' : undefined
  },
}

const BANDWIDTH: PropertyFormat = {
  properties: { default: limit, restore: limit, migration: limit, clone: limit, move: limit },
}

/** All options but `type` and `storage`. */
const OPTIONS = {
  authsupported: optional(text),
  base: optional({ ...text, format: volumeId }),
  blocksize: optional({ ...text, format: blockSize }),
  bwlimit: optional({ ...text, format: BANDWIDTH }),
  comstar_hg: optional(text),
  comstar_tg: optional(text),
  content: optional({ ...text, format: listOf(contentType) }),
  'content-dirs': optional({ ...text, format: listOf(folderOverride) }),
  'create-base-path': optional(flag),
  'create-subdirs': optional(flag),
  'data-pool': optional(text),
  datastore: optional(text),
  disable: optional(flag),
  domain: optional({ ...text, maxLength: 256 }),
  'encryption-key': optional(text),
  export: optional({ ...text, format: absolutePath }),
  fingerprint: optional({ ...text, pattern: /^([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}$/ }),
  format: optional({ ...text, enum: ['raw', 'qcow2', 'subvol', 'vmdk'] }),
  'fs-name': optional({ ...text, format: configId }),
  fuse: optional(flag),
  is_mountpoint: optional(text),
  iscsiprovider: optional(text),
  keyring: optional(text),
  krbd: optional(flag),
  lio_tpg: optional(text),
  'master-pubkey': optional(text),
  'max-protected-backups': optional({ ...integer, minimum: -1 }),
  mkdir: optional(flag),
  monhost: optional({ ...text, format: listOf(portal) }),
  mountpoint: optional({ ...text, format: absolutePath }),
  namespace: optional(text),
  nocow: optional(flag),
  nodes: optional({ ...text, format: listOf(nodeFormat) }),
  nowritecache: optional(flag),
  options: optional({ ...text, format: mountOptions }),
  password: optional({ ...text, maxLength: 256 }),
  path: optional({ ...text, format: absolutePath }),
  pool: optional(text),
  port: optional({ ...integer, minimum: 1, maximum: 65_535 }),
  portal: optional({ ...text, format: portal }),
  preallocation: optional({ ...text, enum: ['off', 'metadata', 'falloc', 'full'] }),
  'prune-backups': optional({ ...text, format: PRUNE_FORMAT }),
  saferemove: optional(flag),
  'saferemove-stepsize': optional({ ...integer, enum: ['1', '2', '4', '8', '16', '32'] }),
  saferemove_throughput: optional(text),
  server: optional({ ...text, format: server }),
  share: optional(text),
  shared: optional(flag),
  'skip-cert-verification': optional(flag),
  smbversion: optional({ ...text, enum: ['default', '2.0', '2.1', '3', '3.0', '3.11'] }),
  'snapshot-as-volume-chain': optional(flag),
  sparse: optional(flag),
  subdir: optional({ ...text, format: absolutePath }),
  tagged_only: optional(flag),
  target: optional(text),
  thinpool: optional({ ...text, format: lvmName }),
  username: optional(text),
  vgname: optional({ ...text, format: lvmName }),
  'zfs-base-path': optional({ ...text, format: absolutePath }),
} as const satisfies Properties

/** Options that no type can change once a storage is there. */
const NEVER_CHANGED = [
  ...['authsupported', 'base', 'datastore', 'export', 'iscsiprovider', 'path', 'portal', 'share', 'target'],
  ...['thinpool', 'vgname'],
]

/** Every type that Proxmox knows, also those that the lab cannot keep. */
const TYPE_NAMES = [
  ...[
    'btrfs',
    'cephfs',
    'cifs',
    'dir',
    'esxi',
    'iscsi',
    'iscsidirect',
    'lvm',
    'lvmthin',
    'nfs',
    'pbs',
    'rbd',
  ],
  ...['zfs', 'zfspool'],
] as const

export const CREATE_PARAMETERS = {
  ...OPTIONS,
  storage: storageId,
  type: { ...text, enum: TYPE_NAMES },
} as const satisfies Properties

const CHANGEABLE: Properties = Object.fromEntries(
  Object.entries(OPTIONS).filter(([key]) => !NEVER_CHANGED.includes(key)),
)

const CHANGE = {
  storage: storageId,
  digest: optional({ ...text, maxLength: 64 }),
  delete: optional({ ...text, format: listOf(configId), maxLength: 4096 }),
} as const satisfies Properties

export const UPDATE_PARAMETERS: Properties & typeof CHANGE = { ...CHANGEABLE, ...CHANGE }

interface TypeOptions {
  /** Needed, and never changed. */
  fixed: readonly string[]
  optional: readonly string[]
  /** Not needed, but never changed once the storage is there. */
  optionalFixed?: readonly string[]
}

const ANY = ['nodes', 'disable', 'content']
const BACKUPS = ['prune-backups', 'max-protected-backups']
const FOLDERS = ['mkdir', 'create-base-path', 'create-subdirs']
const FILES = [...ANY, ...BACKUPS, ...FOLDERS, 'content-dirs', 'format', 'bwlimit', 'preallocation']
const CHAIN = { optionalFixed: ['snapshot-as-volume-chain'] }

/** Options of the types that the lab can keep. */
export const TYPE_OPTIONS: Record<string, TypeOptions> = {
  dir: { fixed: ['path'], optional: [...FILES, 'shared', 'is_mountpoint'], ...CHAIN },
  nfs: { fixed: ['path', 'server', 'export'], optional: [...FILES, 'options'], ...CHAIN },
  cifs: {
    fixed: ['path', 'server', 'share'],
    optional: [...FILES, 'subdir', 'username', 'password', 'domain', 'smbversion', 'options'],
    ...CHAIN,
  },
  cephfs: {
    fixed: ['path'],
    optional: [
      ...[...FILES.filter(key => key !== 'preallocation'), 'monhost', 'subdir', 'options', 'username'],
      ...['fuse', 'keyring', 'fs-name'],
    ],
  },
  btrfs: {
    fixed: ['path'],
    optional: [
      ...[...ANY, ...BACKUPS, ...FOLDERS, 'shared', 'format', 'is_mountpoint', 'nocow', 'preallocation'],
    ],
  },
  zfspool: { fixed: ['pool'], optional: [...ANY, 'blocksize', 'sparse', 'bwlimit', 'mountpoint'] },
  lvmthin: { fixed: ['thinpool', 'vgname'], optional: [...ANY, 'bwlimit'] },
  lvm: {
    fixed: ['vgname'],
    optional: [
      ...[...ANY, 'shared', 'saferemove', 'saferemove-stepsize', 'saferemove_throughput', 'tagged_only'],
      ...['bwlimit', 'snapshot-as-volume-chain'],
    ],
    optionalFixed: ['base'],
  },
  pbs: {
    fixed: ['server', 'datastore'],
    optional: [
      ...[...ANY, ...BACKUPS, 'namespace', 'port', 'username', 'password', 'encryption-key'],
      ...['master-pubkey', 'fingerprint'],
    ],
  },
}

/** Values that Proxmox keeps in files of their own and never shows. */
export const SECRETS: Record<string, readonly string[]> = {
  cifs: ['password'],
  cephfs: ['keyring'],
  pbs: ['password', 'encryption-key', 'master-pubkey'],
}

/** Types whose storages have the same content on all nodes. */
export const ALWAYS_SHARED = ['nfs', 'cifs', 'cephfs', 'pbs']
