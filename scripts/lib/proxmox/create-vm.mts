import type { Parameters, ProxmoxClient } from './client.mts'

/** POST /nodes/{node}/qemu; answers the UPID of the task. `parameters` holds `vmid` and the config. */
export function createVm(client: ProxmoxClient, node: string, parameters: Parameters): Promise<string> {
  return client.request('POST', `/nodes/${encodeURIComponent(node)}/qemu`, parameters)
}
