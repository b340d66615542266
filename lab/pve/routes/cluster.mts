/** /cluster: resources of all kinds, free ids, tasks, and the high availability nobody configured. */

import { failure, parameterError } from '../errors.mts'
import { nodeUsage } from '../node.mts'
import { optional, text, vmid } from '../parameters.mts'
import { allOf, anyone, type Caller, hasAll, hasAny } from '../permission.mts'
import type { Pve } from '../pve.mts'
import { type Route, route } from '../route.mts'
import { spaceOf } from '../storage/space.mts'
import { resourceOf } from '../vm/status.mts'
import { mayAudit, taskEntry } from './node-tasks.mts'

const vmResources = (pve: Pve, caller: Caller) =>
  Object.values(pve.store.state.vms)
    .filter(vm => hasAll(caller, `/vms/${vm.vmid}`, 'VM.Audit'))
    .map(vm => resourceOf(pve, vm))

async function storageResources(pve: Pve, caller: Caller) {
  const visible = Object.entries(pve.store.state.storages).filter(([id]) =>
    hasAny(caller, `/storage/${id}`, 'Datastore.Audit', 'Datastore.AllocateSpace'),
  )
  const resource = async ([id, storage]: (typeof visible)[number]) => {
    const { total, used } = await spaceOf(storage)
    return {
      id: `storage/${pve.node}/${id}`,
      type: 'storage',
      node: pve.node,
      storage: id,
      status: 'available',
      plugintype: storage.type,
      content: storage.content.join(','),
      shared: 0,
      disk: used,
      maxdisk: total,
    }
  }
  return Promise.all(visible.map(resource))
}

function nodeResources(pve: Pve, caller: Caller) {
  const entry = { id: `node/${pve.node}`, type: 'node', node: pve.node, status: 'online' }
  return hasAll(caller, `/nodes/${pve.node}`, 'Sys.Audit') ? [{ ...entry, ...nodeUsage(pve) }] : [entry]
}

const sdnResources = (pve: Pve, caller: Caller) =>
  hasAny(caller, '/sdn/zones/localnetwork', 'SDN.Audit', 'SDN.Use', 'SDN.Allocate')
    ? [
        {
          id: `sdn/${pve.node}/localnetwork`,
          type: 'sdn',
          node: pve.node,
          sdn: 'localnetwork',
          status: 'ok',
        },
      ]
    : []

const poolResources = (caller: Caller) =>
  Object.keys(caller.access.pools)
    .filter(id => hasAll(caller, `/pool/${id}`, 'Pool.Audit'))
    .map(pool => ({ id: `/pool/${pool}`, type: 'pool', pool }))

async function resources(pve: Pve, caller: Caller, type: string | undefined) {
  const all = [
    ...vmResources(pve, caller),
    ...nodeResources(pve, caller),
    ...(await storageResources(pve, caller)),
    ...sdnResources(pve, caller),
    ...poolResources(caller),
  ]
  return type === undefined
    ? all
    : all.filter(entry => (type === 'vm' ? entry.type === 'qemu' : entry.type === type))
}

/** Reserves nothing: two callers may be told the same id. */
function nextId(pve: Pve, wanted: number | undefined): string {
  const isTaken = (id: number) => pve.store.state.vms[id] !== undefined
  if (wanted !== undefined && isTaken(wanted)) throw parameterError({ vmid: `VM ${wanted} already exists` })
  let id = wanted ?? 100
  while (isTaken(id)) id += 1
  // A string, whatever the schema says: clients have come to rely on it.
  return String(id)
}

export const clusterRoutes: Route[] = [
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
    handle: ({ pve, caller }) =>
      pve.store.state.tasks
        .filter(task => mayAudit(pve, caller, task))
        .map(task => taskEntry(pve, task))
        .reverse(),
  }),
  route({
    method: 'GET',
    path: '/cluster/status',
    permission: allOf('/', 'Sys.Audit'),
    parameters: {},
    handle: ({ pve }) => [
      {
        type: 'node',
        id: `node/${pve.node}`,
        name: pve.node,
        nodeid: 0,
        local: 1,
        online: 1,
        ip: '127.0.0.1',
        level: '',
      },
    ],
  }),
  route({
    method: 'GET',
    path: '/cluster/options',
    permission: allOf('/', 'Sys.Audit'),
    parameters: {},
    handle: () => ({ keyboard: 'en-us' }),
  }),
  route({
    method: 'GET',
    path: '/cluster/ha/resources/{sid}',
    permission: allOf('/', 'Sys.Audit'),
    parameters: { sid: text },
    handle({ params }) {
      const sid = /^\d+$/.test(params.sid) ? `vm:${params.sid}` : params.sid
      throw failure(`no such resource '${sid}'`)
    },
  }),
]
