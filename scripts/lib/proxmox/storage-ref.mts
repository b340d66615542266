/** Storage on a node. */
export interface StorageRef {
  node: string
  storage: string
}

/** API path of a storage on a node. */
export function storagePath({ node, storage }: StorageRef): string {
  return `/nodes/${encodeURIComponent(node)}/storage/${encodeURIComponent(storage)}`
}
