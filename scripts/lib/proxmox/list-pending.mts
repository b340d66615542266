import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** An option of a VM, with the value that waits for its next start. */
interface PendingOption {
  key: string
  value?: string | number
  pending?: string | number
  /** 1: the option is removed; 2: its volume is deleted, too. */
  delete?: number
}

/** A change that waits for the next start of a VM; `none` stands for a value that is not set. */
export interface PendingChange {
  key: string
  from: string
  to: string
}

/** GET .../pending; needs VM.Audit. @returns What becomes active when the VM is powered off and on. */
export async function listPendingChanges(client: ProxmoxClient, vm: VmRef): Promise<PendingChange[]> {
  const path = `${vmPath(vm)}/pending`
  const options = await listOf(`GET ${path}`, client.request<PendingOption[]>('GET', path), { key: 'string' })
  return options
    .filter(option => option.pending !== undefined || option.delete !== undefined)
    .map(({ key, value = 'none', pending = 'none' }) => ({ key, from: String(value), to: String(pending) }))
}
