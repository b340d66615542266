import type { ProxmoxClient } from './client.mts'
import type { VmRef } from './vm-ref.mts'

interface BackupOptions {
  storage: string
  /** One line. */
  notes: string
}

/**
 * POST /nodes/{node}/vzdump. The backup is protected: no rule of the storage prunes it, and it prunes no other.
 * @returns The UPID.
 */
export function backUpVm(
  client: ProxmoxClient,
  { node, vmid }: VmRef,
  { storage, notes }: BackupOptions,
): Promise<string> {
  return client.request('POST', `/nodes/${encodeURIComponent(node)}/vzdump`, {
    vmid,
    storage,
    mode: 'snapshot',
    compress: 'zstd',
    protected: 1,
    remove: 0,
    'notes-template': notes,
  })
}

/** GET .../vzdump/extractconfig: the config that a backup holds, as the text of its file. Needs VM.Backup on its VM. */
export function getBackupConfig(client: ProxmoxClient, node: string, volid: string): Promise<string> {
  const path = `/nodes/${encodeURIComponent(node)}/vzdump/extractconfig`
  return client.request('GET', path, { volume: volid })
}
