import type { Parameters, ProxmoxClient } from './client.mts'

/** POST /nodes/{node}/qemu. @param parameters `vmid` and the config. @returns The UPID. */
export function createVm(client: ProxmoxClient, node: string, parameters: Parameters): Promise<string> {
  return client.request('POST', `/nodes/${encodeURIComponent(node)}/qemu`, parameters)
}
