/** The server's state as plain data. */

import { randomBytes } from 'node:crypto'
import type { FirewallConf } from './firewall-state.mts'
import { type AccessConfig, parseUserCfg } from './user-cfg.mts'

/** Options of a VM's config file with their raw texts. */
export type VmConfig = Record<string, string>

export interface Vm {
  vmid: number
  node: string
  config: VmConfig
  /** Changes that the next start applies. */
  pending: VmConfig
  /** Options that the next start removes. */
  pendingDelete: string[]
  /** Those of them whose volumes are deleted, too. */
  forcedDelete?: string[] | undefined
  /** Cloud-init options of the current drive; undefined if no drive was generated yet. */
  cloudInitApplied: VmConfig | undefined
  /** Snapshots by name. The one that the VM stands on is `parent` of its config. */
  snapshots?: Record<string, Snapshot>
}

/** A VM as it was. */
export interface Snapshot {
  /** Its options. `vmstate` is there if the memory was kept, too. */
  config: VmConfig
  parent: string | undefined
  description: string | undefined
  /** Seconds since the epoch. */
  snaptime: number
  /** Work on it that has not ended: a killed worker leaves it. */
  snapstate?: 'prepare' | 'delete' | undefined
}

export interface NodeConfig {
  name: string
  online: boolean
  /** Undefined: as many as the lab's machine has. */
  cores?: number | undefined
  /** Bytes. Undefined: as much as the lab's machine has. */
  memory?: number | undefined
}

export type StorageType = 'dir' | 'nfs' | 'cifs' | 'cephfs' | 'btrfs' | 'zfspool' | 'lvmthin' | 'lvm' | 'pbs'

export interface StorageConfig {
  type: StorageType
  /** Content types: `images`, `rootdir`, `iso`, `vztmpl`, `snippets`, `import`, `backup`. */
  content: string[]
  /** Absolute path of its folder on the first node, and on all nodes if it is shared. See `storageOn`. */
  path: string
  /** True: all nodes see one set of volumes. */
  shared?: boolean | undefined
  /** Nodes that have it. Undefined: all nodes. */
  nodes?: string[] | undefined
  /** Bytes. Undefined: the size of the file system below it. */
  size?: number | undefined
  /** Other options of storage.cfg with their texts, such as `prune-backups`. */
  properties?: Record<string, string> | undefined
}

/** A VM's volume. The state has no files such as ISOs: the server looks for them on disk. */
export interface Volume {
  storage: string
  /** Node that has it; undefined on a shared storage. VMIDs are unique in the cluster, so volume ids are, too. */
  node: string | undefined
  vmid: number
  format: 'raw' | 'qcow2' | 'vmdk'
  /** Bytes. */
  size: number
  /** Bytes that were written. A thin storage holds only these; a blank disk has none. */
  written: number
  /** Absolute path. It stays if the volume gets another name. */
  path: string
  /** Base volume of a linked clone. */
  parent: string | undefined
  /** Seconds since the epoch. */
  ctime: number
  /** Snapshots by name, the oldest first: the size in bytes that the volume had. */
  snapshots?: Record<string, number>
}

/** Network interface with Proxmox's own keys. */
export type NetworkInterface = Record<string, string | number | string[]>

/** What a node keeps in files of its own. Undefined parts are as the installer leaves them. */
export interface NodeFiles {
  dns?: Record<string, string>
  hosts?: string
  timezone?: string
  /** Options of the node. */
  config?: Record<string, string | number>
  /** Interfaces as they are, and as they will be after a reload. */
  network?: { active: Record<string, NetworkInterface>; next?: Record<string, NetworkInterface> | undefined }
}

/** Value of a section's option. Flags are 0 and 1. */
export type SectionValue = string | number | string[]

/** Section of a config file: its type and its options. */
export type Section = Record<string, SectionValue>

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
  /** `OK`, `WARNINGS: n` or the error; undefined while the task runs. */
  exitstatus: string | undefined
}

/** Options of a realm, as in domains.cfg. Flags and numbers are numbers. */
export interface RealmConfig {
  type: 'ad' | 'ldap' | 'openid' | 'pam' | 'pve'
  [option: string]: string | number
}

export interface State {
  /** Key that signs tickets, in hex. */
  signingKey: string
  access: AccessConfig
  /** Options of realms by id; undefined in states of older versions. */
  realms?: Record<string, RealmConfig> | undefined
  /** Salted hashes by user id. */
  passwords: Record<string, string>
  /** Secrets of API tokens by full token id. */
  tokenSecrets: Record<string, string>
  /** Nodes. The first serves the API. */
  nodes: NodeConfig[]
  storages: Record<string, StorageConfig>
  /** Nodes and storages as the lab's owner described them. The API can change storages. Undefined: an older state. */
  described?: Pick<State, 'nodes' | 'storages'>
  volumes: Record<string, Volume>
  vms: Record<string, Vm>
  tasks: TaskRecord[]
  /** Config files below /etc/pve by their path, each with its sections by id. Undefined: none was written. */
  sections?: Record<string, Record<string, Section>>
  /** Software-defined network as it was applied: files with their sections, and the token of who has locked it. */
  sdn?: {
    applied: Record<string, Record<string, Section>>
    isApplied: boolean
    lockToken?: string | undefined
  }
  /** Files of nodes by node. */
  nodeFiles?: Record<string, NodeFiles>
  /** Options of the cluster, with their texts as in datacenter.cfg. */
  clusterOptions?: Record<string, string | number>
  /** Firewalls by owner: `cluster`, `node/pve`, `vm/100`, `vnet/lan`. Undefined: none was configured. */
  firewall?: Record<string, FirewallConf>
}

export function initialState(userCfg: string, cluster: Pick<State, 'nodes' | 'storages'>): State {
  return {
    signingKey: randomBytes(32).toString('hex'),
    access: parseUserCfg(userCfg),
    passwords: {},
    tokenSecrets: {},
    ...cluster,
    described: structuredClone(cluster),
    volumes: {},
    vms: {},
    tasks: [],
  }
}
