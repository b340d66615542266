import type { ProxmoxClient } from './client.mts'
import { type StorageRef, storagePath } from './storage-ref.mts'

/** PUT of a backup: it can be deleted then. */
export async function unprotectVolume(
  client: ProxmoxClient,
  storage: StorageRef,
  volid: string,
): Promise<void> {
  await client.request('PUT', `${storagePath(storage)}/content/${encodeURIComponent(volid)}`, {
    protected: 0,
  })
}
