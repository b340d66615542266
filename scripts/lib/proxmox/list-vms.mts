import type { ProxmoxClient } from './client.mts'

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
  const resources = await client.request<(VmSummary & { type: string })[]>('GET', '/cluster/resources', {
    type: 'vm',
  })
  return resources.filter(resource => resource.type === 'qemu')
}
