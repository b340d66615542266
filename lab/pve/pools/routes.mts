/** /pools: groups of VMs and storages, which inherit the roles on their pool. */

import { changeAccess } from '../access/transaction.mts'
import { isAvailableOn } from '../core/cluster.mts'
import { failure } from '../core/errors.mts'
import { flag, optional, splitList, text } from '../core/parameters.mts'
import { allOf, anyone, type Caller, hasAll, requireAll, requireModify } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Call, type Route, route } from '../core/route.mts'
import type { Pool } from '../core/user-cfg.mts'
import { storageResource } from '../storage/resource.mts'
import { resourceOf } from '../vm/status.mts'
import { poolOf } from '../vm/vm.mts'

const poolId = { type: 'string', pattern: /^[A-Za-z0-9.\-_]+$/ } as const
const memberType = optional({ type: 'string', enum: ['qemu', 'lxc', 'storage'] })

function requirePool(pve: Pve, poolid: string): Pool {
  const pool = pve.store.state.access.pools[poolid]
  if (!pool) throw failure(`pool '${poolid}' does not exist`)
  return pool
}

async function membersOf(pve: Pve, poolid: string, type: string | undefined): Promise<ApiObject[]> {
  const pool = requirePool(pve, poolid)
  const { vms, storages, nodes } = pve.store.state
  const statistics = await pve.statistics(pve.worker)
  const members = [
    ...pool.vms.flatMap(id => vms[id] ?? []).map(vm => resourceOf(vm, statistics)),
    ...Object.entries(storages)
      .filter(([id]) => pool.storages.includes(id))
      .map(entry => {
        // The node that answers, if it has the storage.
        const node = [pve.node, ...nodes.map(({ name }) => name)].find(name => isAvailableOn(entry[1], name))
        return storageResource(node ?? pve.node, entry, statistics)
      }),
  ]
  return members.filter(member => (type ?? member['type']) === member['type'])
}

function commentOf(pve: Pve, poolid: string): { comment?: string } {
  const { comment } = requirePool(pve, poolid)
  return comment === '' ? {} : { comment }
}

async function describe(pve: Pve, poolid: string, type: string | undefined): Promise<ApiObject> {
  return { ...commentOf(pve, poolid), members: await membersOf(pve, poolid, type) }
}

interface PoolChange {
  poolid: string
  comment?: string
  vms?: string
  storage?: string
  delete?: boolean
  'allow-move'?: boolean
}

function addVm(pve: Pve, caller: Caller, poolid: string, vmid: number, allowMove: boolean): void {
  const present = poolOf(pve, vmid)
  if (present === poolid) throw failure(`VM ${vmid} is already a pool member`)
  if (present !== undefined && !allowMove)
    throw failure(`VM ${vmid} belongs already to pool '${present}' and 'allow-move' is not set`)
  if (present !== undefined) {
    requireAll(caller, `/pool/${present}`, 'Pool.Allocate')
    removeVm(pve, present, vmid)
  }
  requirePool(pve, poolid).vms.push(vmid)
}

function removeVm(pve: Pve, poolid: string, vmid: number): void {
  const pool = requirePool(pve, poolid)
  if (!pool.vms.includes(vmid)) throw failure(`VM ${vmid} is not a pool member`)
  pool.vms = pool.vms.filter(id => id !== vmid)
}

function changeStorage(pve: Pve, poolid: string, storage: string, remove: boolean): void {
  const pool = requirePool(pve, poolid)
  if (remove !== pool.storages.includes(storage))
    throw failure(`Storage '${storage}' is ${remove ? 'not' : 'already'} a pool member`)
  const others = pool.storages.filter(id => id !== storage)
  pool.storages = remove ? others : [...others, storage]
}

function changePool({ pve, caller, params }: Call<PoolChange>): void {
  changeAccess(pve, 'update pools', () => changeMembers(pve, caller, params))
}

/** Changes a pool. Members get other permissions by that, so the caller must be allowed to change those. */
function changeMembers(
  pve: Pve,
  caller: Caller,
  { poolid, delete: remove = false, ...params }: PoolChange,
): void {
  const pool = requirePool(pve, poolid)
  pool.comment = params.comment ?? pool.comment
  for (const vmid of splitList(params.vms).map(Number)) {
    requireModify(caller, `/vms/${vmid}`)
    if (remove) removeVm(pve, poolid, vmid)
    else addVm(pve, caller, poolid, vmid, params['allow-move'] ?? false)
  }
  for (const storage of splitList(params.storage)) {
    requireModify(caller, `/storage/${storage}`)
    changeStorage(pve, poolid, storage, remove)
  }
}

/** Deletes an empty pool. Members that no longer exist do not count. */
function deletePool(pve: Pve, poolid: string): void {
  const { vms, storages } = requirePool(pve, poolid)
  const { access, vms: guests, storages: configured } = pve.store.state
  const vmid = vms.find(id => guests[id])
  if (vmid !== undefined) throw failure(`pool '${poolid}' is not empty (contains VM ${vmid})`)
  const storage = storages.find(id => configured[id])
  if (storage !== undefined) throw failure(`pool '${poolid}' is not empty (contains storage '${storage}')`)
  delete access.pools[poolid]
  access.acl = access.acl.filter(entry => entry.path !== `/pool/${poolid}`)
}

const changeParameters = {
  poolid: poolId,
  comment: optional(text),
  vms: optional(text),
  storage: optional(text),
  delete: optional(flag),
  'allow-move': optional(flag),
} as const

const mayAllocate = allOf('/pool/{poolid}', 'Pool.Allocate')

export const poolRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/pools',
    permission: anyone,
    parameters: { poolid: optional(poolId), type: memberType },
    async handle({ pve, caller, params }) {
      const { poolid, type } = params
      if (poolid !== undefined) {
        requireAll(caller, `/pool/${poolid}`, 'Pool.Audit')
        return [{ poolid, ...(await describe(pve, poolid, type)) }]
      }
      return Object.keys(caller.access.pools)
        .filter(id => hasAll(caller, `/pool/${id}`, 'Pool.Audit'))
        .map(id => ({ poolid: id, ...commentOf(pve, id) }))
    },
  }),
  route({
    method: 'GET',
    path: '/pools/{poolid}',
    permission: allOf('/pool/{poolid}', 'Pool.Audit'),
    parameters: { poolid: poolId, type: memberType },
    handle: ({ pve, params }) => describe(pve, params.poolid, params.type),
  }),
  route({
    method: 'POST',
    path: '/pools',
    permission: mayAllocate,
    parameters: { poolid: poolId, comment: optional(text) },
    handle({ pve, params }) {
      const { poolid, comment = '' } = params
      const { pools } = pve.store.state.access
      changeAccess(pve, 'create pool', () => {
        if (pools[poolid]) throw failure(`pool '${poolid}' already exists`)
        if (!/^[A-Za-z]/.test(poolid)) throw failure('pool name must start with a letter')
        pools[poolid] = { comment, vms: [], storages: [] }
      })
    },
  }),
  ...['/pools', '/pools/{poolid}'].flatMap(path => [
    route({ method: 'PUT', path, permission: mayAllocate, parameters: changeParameters, handle: changePool }),
    route({
      method: 'DELETE',
      path,
      permission: mayAllocate,
      parameters: { poolid: poolId },
      handle: ({ pve, params }) => changeAccess(pve, 'delete pool', () => deletePool(pve, params.poolid)),
    }),
  ]),
]
