/** /pools: VMs and storages under one name, whose roles they inherit. */

import { changeAccess } from '../access/transaction.mts'
import { storagesOn } from '../cluster.mts'
import { failure } from '../errors.mts'
import { flag, optional, splitList, text } from '../parameters.mts'
import { allOf, anyone, type Caller, hasAll, requireAll, requireModify } from '../permission.mts'
import type { Pve } from '../pve.mts'
import { type Call, type Route, route } from '../route.mts'
import { resourceOf } from '../vm/status.mts'
import { poolOf } from '../vm/vm.mts'

const poolId = { type: 'string', pattern: /^[A-Za-z0-9.\-_]+$/ } as const
const memberType = optional({ type: 'string', enum: ['qemu', 'lxc', 'storage'] })

function requirePool(pve: Pve, poolid: string) {
  const pool = pve.store.state.access.pools[poolid]
  if (!pool) throw failure(`pool '${poolid}' does not exist`)
  return pool
}

function membersOf(pve: Pve, poolid: string, type: string | undefined) {
  const pool = requirePool(pve, poolid)
  const vms = pool.vms.flatMap(id => pve.store.state.vms[id] ?? []).map(vm => resourceOf(pve, vm))
  const storages = pve.store.state.nodes.flatMap(({ name, online }) =>
    storagesOn(pve.store.state, name)
      .filter(([storage]) => pool.storages.includes(storage))
      .map(([storage]) => ({
        id: `storage/${name}/${storage}`,
        type: 'storage',
        node: name,
        storage,
        status: online ? 'available' : 'unknown',
      })),
  )
  return [...vms, ...storages].filter(member => (type ?? member.type) === member.type)
}

const commentOf = (pve: Pve, poolid: string) => {
  const { comment } = requirePool(pve, poolid)
  return comment === '' ? {} : { comment }
}

const describe = (pve: Pve, poolid: string, type: string | undefined) => ({
  ...commentOf(pve, poolid),
  members: membersOf(pve, poolid, type),
})

interface PoolChange {
  poolid: string
  comment?: string
  vms?: string
  storage?: string
  delete?: boolean
  'allow-move'?: boolean
}

/** One who changes a pool's members must be able to change their permissions, for that is what it does. */
function requireMembers(caller: Caller, vms: number[], storages: string[]) {
  for (const id of vms) requireModify(caller, `/vms/${id}`)
  for (const id of storages) requireModify(caller, `/storage/${id}`)
}

function addVm(pve: Pve, poolid: string, vmid: number, allowMove: boolean) {
  const present = poolOf(pve, vmid)
  if (present === poolid) throw failure(`VM ${vmid} is already a pool member`)
  if (present !== undefined && !allowMove)
    throw failure(`VM ${vmid} belongs already to pool '${present}' and 'allow-move' is not set`)
  if (!pve.store.state.vms[vmid]) throw failure(`VM ${vmid} does not exist`)
  if (present !== undefined) removeVm(pve, present, vmid)
  requirePool(pve, poolid).vms.push(vmid)
}

function removeVm(pve: Pve, poolid: string, vmid: number) {
  const pool = requirePool(pve, poolid)
  if (!pool.vms.includes(vmid)) throw failure(`VM ${vmid} is not a pool member`)
  pool.vms = pool.vms.filter(id => id !== vmid)
}

function changeStorages(pve: Pve, poolid: string, storages: string[], remove: boolean) {
  const pool = requirePool(pve, poolid)
  for (const id of storages) {
    if (remove !== pool.storages.includes(id))
      throw failure(`Storage '${id}' is ${remove ? 'not' : 'already'} a pool member`)
  }
  const others = pool.storages.filter(id => !storages.includes(id))
  pool.storages = remove ? others : [...others, ...storages]
}

function changePool({ pve, caller, params }: Call<PoolChange>) {
  requirePool(pve, params.poolid)
  const [vms, storages] = [splitList(params.vms).map(Number), splitList(params.storage)]
  requireMembers(caller, vms, storages)
  changeAccess(pve, () => changeMembers(pve, params, vms, storages))
}

function changeMembers(pve: Pve, params: PoolChange, vms: number[], storages: string[]) {
  const pool = requirePool(pve, params.poolid)
  pool.comment = params.comment ?? pool.comment
  for (const vmid of vms) {
    if (params.delete) removeVm(pve, params.poolid, vmid)
    else addVm(pve, params.poolid, vmid, params['allow-move'] ?? false)
  }
  changeStorages(pve, params.poolid, storages, params.delete ?? false)
}

function deletePool(pve: Pve, poolid: string) {
  const pool = requirePool(pve, poolid)
  if (pool.vms.length + pool.storages.length > 0) throw failure(`pool '${poolid}' is not empty`)
  const { access } = pve.store.state
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
    handle({ pve, caller, params }) {
      const { poolid, type } = params
      if (poolid !== undefined) {
        requireAll(caller, `/pool/${poolid}`, 'Pool.Audit')
        return [{ poolid, ...describe(pve, poolid, type) }]
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
      const { pools } = pve.store.state.access
      if (pools[params.poolid]) throw failure(`create pool failed: pool '${params.poolid}' already exists`)
      pools[params.poolid] = { comment: params.comment ?? '', vms: [], storages: [] }
    },
  }),
  ...['/pools', '/pools/{poolid}'].flatMap(path => [
    route({ method: 'PUT', path, permission: mayAllocate, parameters: changeParameters, handle: changePool }),
    route({
      method: 'DELETE',
      path,
      permission: mayAllocate,
      parameters: { poolid: poolId },
      handle: ({ pve, params }) => deletePool(pve, params.poolid),
    }),
  ]),
]
