import type { ProxmoxClient } from './client.mts'

export interface VmSummary {
  vmid: number
  name?: string
  node: string
  status: string
  /** 1 for a VM template. */
  template?: number
  /** Separated by semicolons. */
  tags?: string
}

/** GET /cluster/resources: the VMs the identity has VM.Audit on, on every node. Others are left out silently. */
export async function listVms(client: ProxmoxClient): Promise<VmSummary[]> {
  const resources = await client.request<(VmSummary & { type: string })[]>('GET', '/cluster/resources', {
    type: 'vm',
  })
  return resources.filter(resource => resource.type === 'qemu')
}
