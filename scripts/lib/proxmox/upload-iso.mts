import type { ProxmoxClient } from './client.mts'
import { type StorageRef, storagePath } from './storage-ref.mts'

/** POST .../upload of an ISO image; answers the UPID. Proxmox wants `content` before the file. */
export function uploadIso(
  client: ProxmoxClient,
  storage: StorageRef,
  filename: string,
  image: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const form = new FormData()
  form.set('content', 'iso')
  form.set('filename', new Blob([image]), filename)
  return client.upload(`${storagePath(storage)}/upload`, form)
}
