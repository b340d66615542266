import type { ProxmoxClient } from './client.mts'
import type { StorageRef } from './storage-ref.mts'
import { uploadFile } from './upload-file.mts'

/** POST .../upload of an ISO image from memory. @returns The UPID. */
export function uploadIso(
  client: ProxmoxClient,
  storage: StorageRef,
  filename: string,
  image: Uint8Array<ArrayBuffer>,
): Promise<string> {
  return uploadFile(client, storage, { content: 'iso', filename, file: new Blob([image]) })
}
