import type { ProxmoxClient } from './client.mts'
import { type StorageRef, storagePath } from './storage-ref.mts'

export interface Volume {
  /** `local:import/debian-12.qcow2`. */
  volid: string
  /** Bytes. */
  size: number
}

/** GET .../content of one content type (`iso`, `import`, `images`). */
export function listVolumes(client: ProxmoxClient, storage: StorageRef, content: string): Promise<Volume[]> {
  return client.request('GET', `${storagePath(storage)}/content`, { content })
}
