/** How somebody describes the cluster a lab is to be: in a YAML file, or as an option of `createLab`. */

export interface NodeDescription {
  name: string
  /** Default: those of the machine. */
  cores?: number
  /** In GiB. Default: that of the machine. */
  memory?: number
  /** Default true. */
  online?: boolean
}

export const STORAGE_TYPES = ['dir', 'nfs', 'zfspool', 'lvmthin'] as const
export type StorageType = (typeof STORAGE_TYPES)[number]

export const CONTENT_TYPES = ['images', 'rootdir', 'iso', 'vztmpl', 'snippets', 'import', 'backup'] as const
export type ContentType = (typeof CONTENT_TYPES)[number]

export interface StorageDescription {
  id: string
  type: StorageType
  content: ContentType[]
  /** Names of the nodes that have it. Default: all. */
  nodes?: string[]
  /** The same volumes on all of them. Default: true for nfs, false for the others. */
  shared?: boolean
  /** In GiB. Default: as large as the file system it lies on. */
  size?: number
}

export interface ClusterDescription {
  /** The first serves the API. */
  nodes: NodeDescription[]
  storages: StorageDescription[]
}
