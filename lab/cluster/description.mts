/** Description of a lab's cluster, in a YAML file or as an option of `createLab`. */

export interface NodeDescription {
  name: string
  /** Default: as many as the machine has. */
  cores?: number
  /** GiB. Default: as much as the machine has. */
  memory?: number
  /** Default true. */
  online?: boolean
}

export const STORAGE_TYPES = ['dir', 'nfs', 'cifs', 'btrfs', 'zfspool', 'lvmthin', 'lvm'] as const
type StorageType = (typeof STORAGE_TYPES)[number]

export const CONTENT_TYPES = ['images', 'rootdir', 'iso', 'vztmpl', 'snippets', 'import', 'backup'] as const
type ContentType = (typeof CONTENT_TYPES)[number]

export interface StorageDescription {
  id: string
  type: StorageType
  content: ContentType[]
  /** Names of the nodes that have it. Default: all nodes. */
  nodes?: string[]
  /** All nodes see one set of volumes. Default: true for nfs and cifs, false for other types. */
  shared?: boolean
  /** GiB. Default: the size of the file system below it. */
  size?: number
}

export interface ClusterDescription {
  /** At least one. The first serves the API. */
  nodes: NodeDescription[]
  storages: StorageDescription[]
}
