/** Files of a node that its operations read and write. */

import type { Pve } from '../core/pve.mts'
import type { NodeFiles } from '../core/state.mts'

/** Returns the files of the server's node. Callers may change them. */
export function filesOf(pve: Pve): NodeFiles {
  pve.store.state.nodeFiles ??= Object.create(null) as Record<string, NodeFiles>
  pve.store.state.nodeFiles[pve.node] ??= {}
  return pve.store.state.nodeFiles[pve.node]!
}
