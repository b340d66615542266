import type { ProxmoxClient } from './client.mts'
import { type VmRef, vmPath } from './vm-ref.mts'

/** GET .../snapshot; needs VM.Audit. @returns The names, without `current`, which stands for the VM as it is. */
export async function listSnapshots(client: ProxmoxClient, vm: VmRef): Promise<string[]> {
  const snapshots = await client.request<{ name: string }[]>('GET', `${vmPath(vm)}/snapshot`)
  return snapshots.map(({ name }) => name).filter(name => name !== 'current')
}
