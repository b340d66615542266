/** /version and /nodes/{node}/version. */

import { nodeName } from '../core/parameters.mts'
import { anyone } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'

const RELEASES = {
  8: { version: '8.4.14', release: '8.4', repoid: 'b502d23c55afcba1' },
  9: { version: '9.1.2', release: '9.1', repoid: '6f51e8f4ee2b6d67' },
} as const

interface Release {
  version: string
  release: string
  repoid: string
}

export function releaseOf(pve: Pve): Release {
  return RELEASES[pve.version]
}

export const versionRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/version',
    permission: anyone,
    parameters: {},
    handle: ({ pve }) => releaseOf(pve),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/version',
    permission: anyone,
    parameters: { node: nodeName },
    handle: ({ pve }) => releaseOf(pve),
  }),
]
