/** Replication of volumes between nodes, of which there is none: no storage of the lab can do it. */

import { failure } from '../core/errors.mts'
import { integer, nodeName, optional, type Parameters, vmid } from '../core/parameters.mts'
import { anyone } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'

const id = {
  type: 'string',
  pattern: /^[1-9][0-9]{2,8}-\d{1,9}$/,
} as const

function missing(path: string, parameters: Parameters, words: string): Route {
  return route({
    method: 'GET',
    path,
    permission: anyone,
    parameters,
    handle({ params }) {
      throw failure(`${words} '${params['id']}'`)
    },
  })
}

const node = { node: nodeName }
const NO_SUCH = 'no such replication job'

export const replicationRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/cluster/replication',
    permission: anyone,
    parameters: {},
    handle: () => [],
  }),
  missing('/cluster/replication/{id}', { id }, NO_SUCH),
  route({
    method: 'GET',
    path: '/nodes/{node}/replication',
    permission: anyone,
    parameters: { ...node, guest: optional(vmid) },
    handle: () => [],
  }),
  missing('/nodes/{node}/replication/{id}/status', { ...node, id }, NO_SUCH),
  missing(
    '/nodes/{node}/replication/{id}/log',
    { ...node, id, start: optional({ ...integer, minimum: 0 }), limit: optional({ ...integer, minimum: 0 }) },
    NO_SUCH,
  ),
]
