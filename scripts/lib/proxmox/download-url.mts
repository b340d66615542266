import type { ProxmoxClient } from './client.mts'
import { type StorageRef, storagePath } from './storage-ref.mts'

interface Download {
  url: string
  filename: string
  content: 'import' | 'iso'
  checksum: string
  checksumAlgorithm: 'sha256' | 'sha512'
}

/** POST .../download-url: the node itself downloads and verifies. @returns The UPID. */
export function downloadUrl(client: ProxmoxClient, storage: StorageRef, download: Download): Promise<string> {
  return client.request('POST', `${storagePath(storage)}/download-url`, {
    content: download.content,
    filename: download.filename,
    url: download.url,
    checksum: download.checksum,
    'checksum-algorithm': download.checksumAlgorithm,
  })
}
