/** Names one storage on one node. */
export interface StorageRef {
  node: string
  storage: string
}

/** The API path of a storage on a node. */
export function storagePath({ node, storage }: StorageRef): string {
  return `/nodes/${encodeURIComponent(node)}/storage/${encodeURIComponent(storage)}`
}
