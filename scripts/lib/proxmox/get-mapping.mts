import type { ProxmoxClient } from './client.mts'
import { objectOf } from './shape.mts'

/** A resource mapping: entries such as `node=pve1,path=0000:01:00.0,id=8086:1521`. */
interface ResourceMapping {
  id: string
  map: string[]
}

/** GET /cluster/mapping/{kind}/{id}; needs Mapping.Audit, Mapping.Use or Mapping.Modify. */
export function getMapping(client: ProxmoxClient, kind: 'pci' | 'usb', id: string): Promise<ResourceMapping> {
  const path = `/cluster/mapping/${kind}/${encodeURIComponent(id)}`
  return objectOf(`GET ${path}`, client.request<ResourceMapping>('GET', path))
}
