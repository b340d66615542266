/** /cluster: resources of all kinds, free VMIDs, tasks and status. */

import { CLUSTER_NAME, isAvailableOn } from '../core/cluster.mts'
import { directory } from '../core/directory.mts'
import { failure, parameterError } from '../core/errors.mts'
import { optional, vmid } from '../core/parameters.mts'
import { allOf, anyone, type Caller, hasAll } from '../core/permission.mts'
import type { Pve, Statistics } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import { ownerOf } from '../core/user-cfg.mts'
import { nodeEntry } from '../nodes/node.mts'
import { zonesOn } from '../sdn/routes.mts'
import { storageResource } from '../storage/resource.mts'
import { broadcastTasks, clusterTaskEntry } from '../tasks/routes.mts'
import { listedSettings, resourceOf } from '../vm/status.mts'
import { poolOf } from '../vm/vm.mts'
import { clusterLogRoutes } from './log.mts'
import { clusterOptionRoutes, nextIdRange } from './options.mts'

function vmResources(pve: Pve, caller: Caller, statistics: Statistics): ApiObject[] {
  return Object.values(pve.store.state.vms)
    .filter(vm => hasAll(caller, `/vms/${vm.vmid}`, 'VM.Audit'))
    .map(vm => ({ ...resourceOf(vm, statistics), ...listedSettings(vm), ...visiblePool(pve, caller, vm) }))
}

function visiblePool(pve: Pve, caller: Caller, { vmid }: Vm): { pool?: string } {
  const pool = poolOf(pve, vmid)
  return pool !== undefined && hasAll(caller, `/pool/${pool}`, 'Pool.Audit') ? { pool } : {}
}

/** Lists each storage once per node that has it, even a shared one. */
function storageResources(pve: Pve, caller: Caller, statistics: Statistics): ApiObject[] {
  const { nodes, storages } = pve.store.state
  const visible = Object.entries(storages).filter(([id]) =>
    hasAll(caller, `/storage/${id}`, 'Datastore.Audit'),
  )
  return visible.flatMap(entry =>
    nodes
      .filter(node => isAvailableOn(entry[1], node.name))
      .map(node => storageResource(node.name, entry, statistics)),
  )
}

function nodeResources(pve: Pve, caller: Caller, statistics: Statistics): ApiObject[] {
  return pve.store.state.nodes.map(node => ({
    ...nodeEntry(node, hasAll(caller, `/nodes/${node.name}`, 'Sys.Audit'), statistics),
    // The node sends it once, when it boots.
    ...(node.online && { 'cgroup-mode': 1 }),
  }))
}

/** Lists the zone of the bridges on each node, and the applied zones. Version 8 calls them a part of the SDN. */
function zoneResources(pve: Pve, caller: Caller): ApiObject[] {
  return pve.store.state.nodes.flatMap(({ name: node }) =>
    ['localnetwork', ...zonesOn(pve, node)]
      .filter(zone => hasAll(caller, `/sdn/zones/${zone}`, 'SDN.Audit'))
      .map(zone => zoneEntry(pve, node, zone)),
  )
}

function zoneEntry({ version }: Pve, node: string, zone: string): ApiObject {
  const status = zone === 'localnetwork' ? 'ok' : 'available'
  if (version < 9) return { id: `sdn/${node}/${zone}`, type: 'sdn', sdn: zone, node, status }
  const kind = { type: 'network', 'network-type': 'zone', network: zone }
  return { id: `network/${node}/zone/${zone}`, ...kind, node, status }
}

function poolResources(caller: Caller): ApiObject[] {
  return Object.keys(caller.access.pools)
    .filter(id => hasAll(caller, `/pool/${id}`, 'Pool.Audit'))
    .map(pool => ({ id: `/pool/${pool}`, type: 'pool', pool }))
}

async function resources(pve: Pve, caller: Caller, type: string | undefined): Promise<ApiObject[]> {
  const statistics = await pve.statistics(pve.worker)
  const all = [
    ...vmResources(pve, caller, statistics),
    ...nodeResources(pve, caller, statistics),
    ...storageResources(pve, caller, statistics),
    ...zoneResources(pve, caller),
    ...poolResources(caller),
  ]
  return type === undefined
    ? all
    : all.filter(entry => (type === 'vm' ? entry['type'] === 'qemu' : entry['type'] === type))
}

/** Finds a free VMID. It reserves nothing: two callers can get the same one. */
function nextId(pve: Pve, wanted: number | undefined): string {
  const isTaken = (id: number): boolean => pve.store.state.vms[id] !== undefined
  if (wanted !== undefined && isTaken(wanted)) throw parameterError({ vmid: `VM ${wanted} already exists` })
  const { lower, upper } = nextIdRange(pve)
  let id = wanted ?? lower
  while (isTaken(id)) id += 1
  if (wanted === undefined && id >= upper)
    throw failure(`unable to get any free VMID in range [${lower}, ${upper}]`)
  // A string, although the schema says integer: a real Proxmox answers so, and clients rely on it.
  return String(id)
}

/** Lists the cluster and its nodes. A single node is not a cluster: it lists itself alone, with number 0. */
function clusterStatus(pve: Pve): ApiObject[] {
  const { nodes } = pve.store.state
  const isCluster = nodes.length > 1
  const entries = nodes.map(({ name, online }, index) => ({
    type: 'node',
    id: `node/${name}`,
    name,
    nodeid: isCluster ? index + 1 : 0,
    local: name === pve.node ? 1 : 0,
    online: online ? 1 : 0,
    ip: '127.0.0.1',
    level: '',
  }))
  const cluster = {
    type: 'cluster',
    id: 'cluster',
    name: CLUSTER_NAME,
    nodes: nodes.length,
    quorate: 1,
    version: 1,
  }
  return isCluster ? [cluster, ...entries] : entries
}

const BELOW_CLUSTER = [
  ...['acme', 'backup', 'backup-info', 'bulk-action', 'ceph', 'config', 'firewall', 'ha', 'jobs', 'log'],
  ...['mapping', 'metrics', 'notifications', 'nextid', 'options', 'qemu', 'replication', 'resources'],
  ...['status', 'tasks', 'sdn'],
]

export const clusterRoutes: Route[] = [
  directory('/cluster', BELOW_CLUSTER),
  ...clusterOptionRoutes,
  ...clusterLogRoutes,
  route({
    method: 'GET',
    path: '/cluster/resources',
    permission: anyone,
    parameters: { type: optional({ type: 'string', enum: ['vm', 'storage', 'node', 'sdn'] }) },
    handle: ({ pve, caller, params }) => resources(pve, caller, params.type),
  }),
  route({
    method: 'GET',
    path: '/cluster/nextid',
    permission: anyone,
    parameters: { vmid: optional(vmid) },
    handle: ({ pve, params }) => nextId(pve, params.vmid),
  }),
  route({
    method: 'GET',
    path: '/cluster/tasks',
    permission: anyone,
    parameters: {},
    handle({ pve, caller }) {
      const all = hasAll(caller, '/', 'Sys.Audit')
      return pve.store.state.nodes
        .flatMap(({ name }) => broadcastTasks(pve, name))
        .filter(task => all || ownerOf(task.authid) === caller.authid)
        .map(clusterTaskEntry)
    },
  }),
  route({
    method: 'GET',
    path: '/cluster/status',
    permission: allOf('/', 'Sys.Audit'),
    parameters: {},
    handle: ({ pve }) => clusterStatus(pve),
  }),
]
