/** Everything the server remembers, as plain data. */

import { randomBytes } from 'node:crypto'
import { type AccessConfig, parseUserCfg } from './user-cfg.mts'

/** Raw texts as in a VM's config file, keyed by option. */
export type VmConfig = Record<string, string>

export interface Vm {
  vmid: number
  /** The node it is on. */
  node: string
  config: VmConfig
  /** Changes that wait for the next start. */
  pending: VmConfig
  /** Keys the next start removes. */
  pendingDelete: string[]
  /** The cloud-init options the current drive was generated from; undefined when it never was. */
  cloudInitApplied: VmConfig | undefined
}

export interface NodeConfig {
  name: string
  online: boolean
  /** Undefined: as many as the machine the lab runs on. */
  cores?: number | undefined
  /** In bytes. Undefined: as much as the machine the lab runs on. */
  memory?: number | undefined
}

export interface StorageConfig {
  type: 'dir' | 'nfs' | 'zfspool' | 'lvmthin'
  /** Content types: `images`, `rootdir`, `iso`, `vztmpl`, `snippets`, `import`, `backup`. */
  content: string[]
  /** Absolute folder; on nodes other than the first, a storage that is not shared has one of its own. */
  path: string
  /** The same volumes on every node. */
  shared?: boolean | undefined
  /** Nodes that have it. Undefined: all. */
  nodes?: string[] | undefined
  /** In bytes. Undefined: as large as the file system it lies on. */
  size?: number | undefined
}

/** A VM's volume. Files such as ISOs are found on disk instead. */
export interface Volume {
  storage: string
  /** The node it is on; undefined on a shared storage. VMIDs are the cluster's, so volume ids never clash. */
  node: string | undefined
  vmid: number
  format: 'raw' | 'qcow2'
  /** In bytes. */
  size: number
  /** How many of its bytes a storage that keeps only what was written holds; a blank disk starts with none. */
  written: number
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
  /** The first serves the API. */
  nodes: NodeConfig[]
  storages: Record<string, StorageConfig>
  volumes: Record<string, Volume>
  vms: Record<string, Vm>
  tasks: TaskRecord[]
}

export function initialState(userCfg: string, cluster: Pick<State, 'nodes' | 'storages'>): State {
  return {
    signingKey: randomBytes(32).toString('hex'),
    access: parseUserCfg(userCfg),
    passwords: {},
    tokenSecrets: {},
    ...cluster,
    volumes: {},
    vms: {},
    tasks: [],
  }
}
