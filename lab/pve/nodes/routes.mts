/** /nodes: each node with its load. */

import { directory } from '../core/directory.mts'
import { nodeName } from '../core/parameters.mts'
import { allOf, anyone, hasAll } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { fileSystemSpace } from '../storage/space.mts'
import { fingerprintOf } from './certificates.mts'
import { nodeEntry, nodeStatus } from './node.mts'

const BELOW_NODE = [
  ...['aplinfo', 'apt', 'capabilities', 'ceph', 'certificates', 'config', 'disks', 'dns', 'firewall'],
  ...['hardware', 'hosts', 'journal', 'lxc', 'migrateall', 'netstat', 'network', 'qemu'],
  ...['query-oci-repo-tags', 'query-url-metadata', 'replication', 'report', 'rrd', 'rrddata', 'scan', 'sdn'],
  ...['services', 'spiceshell', 'startall', 'status', 'stopall', 'storage', 'subscription', 'suspendall'],
  ...['syslog', 'tasks', 'termproxy', 'time', 'version', 'vncshell', 'vzdump', 'wakeonlan'],
]

export const nodeRoutes: Route[] = [
  directory('/nodes/{node}', BELOW_NODE),
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
]
