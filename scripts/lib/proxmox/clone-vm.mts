import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

interface CloneOptions {
  newid: number
  name: string
  description: string
  /** 1: full clone; 0: linked clone, only of a VM template. */
  full: 0 | 1
  /** Storage of all its disks; default: those of the source. */
  storage?: string | undefined
  pool?: string | undefined
  /** Node of the clone; default: that of the source. Another one needs shared storage. */
  target?: string | undefined
}

/** POST .../clone. @returns The UPID. */
export function cloneVm(client: ProxmoxClient, source: VmRef, options: CloneOptions): Promise<string> {
  return client.request('POST', `${vmPath(source)}/clone`, { ...options })
}
