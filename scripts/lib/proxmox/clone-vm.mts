import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

interface CloneOptions {
  newid: number
  name: string
  description: string
  /** 1: a full clone; 0: a linked one, which only a VM template can have. */
  full: 0 | 1
  /** Of all its disks; default: where the source has them. */
  storage?: string | undefined
}

/** POST .../clone, on the same node and storage; answers the UPID. */
export function cloneVm(client: ProxmoxClient, source: VmRef, options: CloneOptions): Promise<string> {
  return client.request('POST', `${vmPath(source)}/clone`, { ...options })
}
