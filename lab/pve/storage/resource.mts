/** Entries of storages in lists of the cluster. */

import type { Statistics } from '../core/pve.mts'
import type { ApiObject } from '../core/route.mts'
import type { StorageConfig } from '../core/state.mts'

/** Returns an entry of `/cluster/resources` and of a pool. The space is as old as the statistics. */
export function storageResource(
  node: string,
  [id, { type, content, shared }]: [id: string, storage: StorageConfig],
  statistics: Statistics,
): ApiObject {
  const space = statistics.get(`storage/${node}/${id}`)
  return {
    id: `storage/${node}/${id}`,
    type: 'storage',
    node,
    storage: id,
    status: space ? 'available' : 'unknown',
    plugintype: type,
    content: content.toSorted().join(','),
    shared: shared ? 1 : 0,
    ...space,
  }
}
