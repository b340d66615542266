/** /pools: groups of VMs and storages, which inherit the roles on their pool. */

import { changeAccess } from '../access/transaction.mts'
import { isAvailableOn } from '../core/cluster.mts'
import { failure } from '../core/errors.mts'
import { vmidFormat } from '../core/formats.mts'
import { flag, listOf, optional, splitList, storageId, text } from '../core/parameters.mts'
import { allOf, anyone, type Caller, hasAll, requireAll, requireModify } from '../core/permission.mts'
import type { Verifier } from '../core/property.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Call, type Route, route } from '../core/route.mts'
import { keptText, type Pool } from '../core/user-cfg.mts'
import { storageResource } from '../storage/resource.mts'
import { resourceOf } from '../vm/status.mts'
import { poolOf } from '../vm/vm.mts'

/** Pools nest three levels deep. */
const poolFormat: Verifier = value => {
  if (value.replace(/\/+$/, '').split('/').length > 3)
    return `pool name '${value}' nested too deeply (max levels = 3)`
  if (!/^[A-Za-z0-9.\-_]+(?:\/[A-Za-z0-9.\-_]+){0,2}$/.test(value))
    return `pool name '${value}' contains invalid characters`
  return undefined
}

const poolId = { type: 'string', format: poolFormat } as const
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
  return { poolid, ...commentOf(pve, poolid), members: await membersOf(pve, poolid, type) }
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
  pool.comment = keptText(params.comment ?? pool.comment)
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

/** Lists the pools directly in a pool. */
function poolsIn(pve: Pve, poolid: string): string[] {
  return Object.keys(pve.store.state.access.pools)
    .filter(id => id.startsWith(`${poolid}/`) && !id.slice(poolid.length + 1).includes('/'))
    .toSorted()
}

/** Deletes an empty pool. Members that no longer exist do not count. */
function deletePool(pve: Pve, poolid: string): void {
  const { vms, storages } = requirePool(pve, poolid)
  const { access, vms: guests, storages: configured } = pve.store.state
  const [nested] = poolsIn(pve, poolid)
  if (nested !== undefined) throw failure(`pool '${poolid}' is not empty (contains pool '${nested}')`)
  const vmid = vms.find(id => guests[id])
  if (vmid !== undefined) throw failure(`pool '${poolid}' is not empty (contains VM ${vmid})`)
  const storage = storages.find(id => configured[id])
  if (storage !== undefined) throw failure(`pool '${poolid}' is not empty (contains storage '${storage}')`)
  delete access.pools[poolid]
  // Proxmox forgets to remove the entries of a nested pool.
  if (!poolid.includes('/'))
    access.acl = access.acl.filter(({ path }) => !`${path}/`.startsWith(`/pool/${poolid}/`))
}

function createPool(pve: Pve, poolid: string, comment: string): void {
  const { pools } = pve.store.state.access
  const [, parent, leaf = poolid] = /^(.*)\/([^/]+)$/.exec(poolid) ?? []
  if (pools[poolid]) throw failure(`pool '${poolid}' already exists`)
  if (parent !== undefined && !pools[parent])
    throw failure(`parent '${parent}' of pool '${poolid}' does not exist`)
  if (!/^[A-Za-z]/.test(leaf)) throw failure('pool name must start with a letter')
  pools[poolid] = { comment: keptText(comment), vms: [], storages: [] }
}

const changeParameters = {
  poolid: poolId,
  comment: optional(text),
  vms: optional({ type: 'string', format: listOf(vmidFormat) }),
  storage: optional({ type: 'string', format: listOf(storageId.format) }),
  delete: optional(flag),
  'allow-move': optional(flag),
} as const

const mayAllocate = allOf('/pool/{poolid}', 'Pool.Allocate')

export const poolRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/pools',
    permission: anyone,
    parameters: { poolid: optional(poolId), type: { ...memberType, requires: 'poolid' } },
    async handle({ pve, caller, params }) {
      const { poolid, type } = params
      // Proxmox shows one pool to everybody.
      if (poolid) return [await describe(pve, poolid, type)]
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
    handle: ({ pve, params: { poolid, comment = '' } }) =>
      changeAccess(pve, 'create pool', () => createPool(pve, poolid, comment)),
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
