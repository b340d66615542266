import type { ProxmoxClient } from './client.mts'
import { listOf } from './shape.mts'

export interface VmSummary {
  vmid: number
  name?: string
  node: string
  status: string
  /** 1 for a VM template. */
  template?: number
  /** Tags, separated by semicolons. */
  tags?: string
}

/** GET /cluster/resources: the VMs of all nodes on which the identity has VM.Audit. Other VMs are missing silently. */
export async function listVms(client: ProxmoxClient): Promise<VmSummary[]> {
  return (await listGuests(client)).filter(({ type }) => type === 'qemu')
}

/** Checks whether a container that the identity may see has the VMID. */
export async function isContainer(client: ProxmoxClient, vmid: number): Promise<boolean> {
  return (await listGuests(client)).some(guest => guest.type === 'lxc' && guest.vmid === vmid)
}

function listGuests(client: ProxmoxClient): Promise<(VmSummary & { type: string })[]> {
  const asked = client.request<(VmSummary & { type: string })[]>('GET', '/cluster/resources', { type: 'vm' })
  return listOf('GET /cluster/resources', asked, { type: 'string', vmid: 'number', node: 'string' })
}
