import type { ProxmoxClient } from './client.mts'
import { type StorageRef, storagePath } from './storage-ref.mts'

interface Upload {
  content: 'import' | 'iso'
  filename: string
  /** For a large file use `openAsBlob`: it is then read while it is sent. */
  file: Blob
  /** Proxmox checks it before it puts the file in place. */
  checksum?: { algorithm: 'sha256' | 'sha512'; value: string } | undefined
}

/** POST .../upload. Proxmox takes disk images since 8.4. @returns The UPID. */
export function uploadFile(client: ProxmoxClient, storage: StorageRef, upload: Upload): Promise<string> {
  const { content, filename, file, checksum } = upload
  const fields: Record<string, string> = { content }
  if (checksum !== undefined) {
    fields['checksum-algorithm'] = checksum.algorithm
    fields['checksum'] = checksum.value
  }
  return client.upload(`${storagePath(storage)}/upload`, { fields, file, filename })
}
