import type { ProxmoxClient } from './client.mts'
import { type StorageRef, storagePath } from './storage-ref.mts'

/** DELETE of a volume; needs Datastore.Allocate. @returns The UPID; null if it was done at once. */
export function deleteVolume(
  client: ProxmoxClient,
  storage: StorageRef,
  volid: string,
): Promise<string | null> {
  return client.request('DELETE', `${storagePath(storage)}/content/${encodeURIComponent(volid)}`)
}
