/** Requests go to the node their path names, by way of the one that serves the API. */

import { findNode, onNode } from '../core/cluster.mts'
import type { ApiError } from '../core/errors.mts'
import { failure, NodeUnreachable } from '../core/errors.mts'
import type { Pve } from '../core/pve.mts'

function unknownHost(node: string): ApiError {
  return failure(
    `hostname lookup '${node}' failed - failed to get address info: ${node}: Name or service not known`,
  )
}

/**
 * The server as it works on the node of the path; as it is where the path names none.
 * @throws {ApiError} for a node that is not in the cluster, NodeUnreachable for one that is offline.
 */
export function forwardedTo(pve: Pve, name: string | undefined): Pve {
  if (name === undefined || name === 'localhost') return pve
  const node = findNode(pve.store.state, name)
  if (!node) throw unknownHost(name)
  if (!node.online) throw new NodeUnreachable('No route to host')
  return onNode(pve, name)
}
