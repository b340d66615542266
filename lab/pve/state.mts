/** Everything the server remembers, as plain data. */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type AccessConfig, parseUserCfg } from './access/user-cfg.mts'

/** Raw texts as in a VM's config file, keyed by option. */
export type VmConfig = Record<string, string>

export interface Vm {
  vmid: number
  config: VmConfig
  /** Changes that wait for the next start. */
  pending: VmConfig
  /** Keys the next start removes. */
  pendingDelete: string[]
  /** The cloud-init options the current drive was generated from; undefined when it never was. */
  cloudInitApplied: VmConfig | undefined
}

export interface StorageConfig {
  type: 'dir' | 'zfspool'
  /** Content types: `images`, `rootdir`, `iso`, `vztmpl`, `snippets`, `import`, `backup`. */
  content: string[]
  /** Absolute folder. */
  path: string
}

/** A VM's volume. Files such as ISOs are found on disk instead. */
export interface Volume {
  storage: string
  vmid: number
  format: 'raw' | 'qcow2'
  /** In bytes. */
  size: number
  /** Absolute; stays what it was when the volume is renamed. */
  path: string
  /** The base volume a linked clone needs. */
  parent: string | undefined
  /** Seconds since the epoch. */
  ctime: number
}

export interface TaskRecord {
  upid: string
  pid: number
  pstart: number
  /** Seconds since the epoch. */
  starttime: number
  endtime: number | undefined
  type: string
  id: string
  /** User or API token that started it. */
  authid: string
  log: string[]
  /** `OK`, `WARNINGS: n` or the error; undefined while it runs. */
  exitstatus: string | undefined
}

export interface State {
  /** Hex; signs tickets. */
  signingKey: string
  access: AccessConfig
  /** Salted hashes by user. */
  passwords: Record<string, string>
  /** API token secrets by full token id. */
  tokenSecrets: Record<string, string>
  storages: Record<string, StorageConfig>
  volumes: Record<string, Volume>
  vms: Record<string, Vm>
  tasks: TaskRecord[]
}

/** A dir storage for files and a pool for disks, as the installer of Proxmox VE leaves a ZFS machine. */
export const defaultStorages = (dataDir: string): Record<string, StorageConfig> => ({
  local: {
    type: 'dir',
    content: ['iso', 'vztmpl', 'snippets', 'import', 'backup'],
    path: join(dataDir, 'storage', 'local'),
  },
  tank: { type: 'zfspool', content: ['images', 'rootdir'], path: join(dataDir, 'storage', 'tank') },
})

export const initialState = (userCfg: string, storages: Record<string, StorageConfig>): State => ({
  signingKey: randomBytes(32).toString('hex'),
  access: parseUserCfg(userCfg),
  passwords: {},
  tokenSecrets: {},
  storages,
  volumes: {},
  vms: {},
  tasks: [],
})
