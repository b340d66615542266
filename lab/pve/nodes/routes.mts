/** /nodes: each node with its load and its bridge. */

import { nodeName, optional, text } from '../core/parameters.mts'
import { allOf, anyone, type Caller, hasAll, hasAny } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { fileSystemSpace } from '../storage/space.mts'
import { fingerprintOf } from './certificates.mts'
import { nodeEntry, nodeStatus } from './node.mts'

const BRIDGE = {
  iface: 'vmbr0',
  type: 'bridge',
  method: 'static',
  method6: 'manual',
  address: '192.168.122.1',
  netmask: '24',
  cidr: '192.168.122.1/24',
  bridge_ports: '',
  bridge_fd: '0',
  bridge_stp: 'off',
  families: ['inet'],
  active: 1,
  autostart: 1,
  priority: 3,
}

/** A privilege on one VLAN of the bridge is enough to see it (`check_sdn_bridge` in PVE/RPCEnvironment.pm). */
function mayUseBridge(caller: Caller): boolean {
  const bridge = '/sdn/zones/localnetwork/vmbr0'
  const vlans = caller.access.acl.map(({ path }) => path).filter(path => path.startsWith(`${bridge}/`))
  return [bridge, ...vlans].some(path => hasAny(caller, path, 'SDN.Audit', 'SDN.Use'))
}

export const nodeRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/nodes',
    permission: anyone,
    parameters: {},
    async handle({ pve, caller }) {
      // The first node answers for all nodes, so all of them have its certificate.
      const ssl_fingerprint = await fingerprintOf(pve.dataDir)
      const statistics = await pve.statistics(pve.worker)
      return pve.store.state.nodes.map(node => ({
        ...nodeEntry(node, hasAll(caller, `/nodes/${node.name}`, 'Sys.Audit'), statistics),
        ssl_fingerprint,
      }))
    },
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/status',
    permission: allOf('/nodes/{node}', 'Sys.Audit'),
    parameters: { node: nodeName },
    handle: async ({ pve }) => nodeStatus(pve, await fileSystemSpace(pve.dataDir)),
  }),
  route({
    method: 'GET',
    path: '/nodes/{node}/network',
    permission: anyone,
    parameters: { node: nodeName, type: optional(text) },
    handle: ({ caller, params }) => {
      const mayUse = mayUseBridge(caller)
      const fits =
        params.type === undefined ||
        ['bridge', 'any_bridge', 'any_local_bridge', 'include_sdn'].includes(params.type)
      return (mayUse || hasAll(caller, `/nodes/${params.node}`, 'Sys.Audit')) && fits ? [BRIDGE] : []
    },
  }),
]
