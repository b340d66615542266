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
  /** Of a backup: the first line of its notes. */
  notes?: string
  /** Of a backup: whether nobody can delete it. */
  protected?: number
  /** Seconds since 1970. */
  ctime?: number
}

/** GET .../content of one content type (`iso`, `import`, `images`, `backup`). Backups need VM.Backup on their VM, too. */
export function listVolumes(client: ProxmoxClient, storage: StorageRef, content: string): Promise<Volume[]> {
  const path = `${storagePath(storage)}/content`
  return listOf(`GET ${path}`, client.request<Volume[]>('GET', path, { content }), { volid: 'string' })
}
