import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'
import { type StorageRef, storagePath } from './storage-ref.mts'

export interface Volume {
  /** `local:import/debian-12.qcow2`. */
  volid: string
  /** Bytes. */
  size: number
  /** VM that a disk belongs to; undefined for other content. */
  vmid?: number
}

/** GET .../content of one content type (`iso`, `import`, `images`). */
export function listVolumes(client: ProxmoxClient, storage: StorageRef, content: string): Promise<Volume[]> {
  const path = `${storagePath(storage)}/content`
  return listOf(`GET ${path}`, client.request<Volume[]>('GET', path, { content }), { volid: 'string' })
}
