/** /nodes/{node}/scan: volume groups and pools of a node. Those that its storages name are there, and no others. */

import { storagesOn } from '../core/cluster.mts'
import { nodeName, text } from '../core/parameters.mts'
import { allOf, anyone } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type ApiObject, type Route, route } from '../core/route.mts'
import type { StorageConfig } from '../core/state.mts'
import { spaceOf } from './space.mts'
import { volumesOn } from './storages.mts'

const mayScan = allOf('/storage', 'Datastore.Allocate')
const METHODS = ['cifs', 'iscsi', 'lvm', 'nfs', 'pbs', 'zfs']

/** Lists the node's storages of some types by the name of their group or pool. The first of a name counts. */
function namedStorages(pve: Pve, types: string[], nameOf: (id: string, storage: StorageConfig) => string) {
  const named = new Map<string, string>()
  for (const [id, storage] of storagesOn(pve.store.state, pve.node))
    if (types.includes(storage.type) && !named.has(nameOf(id, storage))) named.set(nameOf(id, storage), id)
  return [...named]
}

function groupOf(id: string, { properties }: StorageConfig): string {
  return properties?.['vgname'] ?? id
}

async function groups(pve: Pve): Promise<ApiObject[]> {
  const found = namedStorages(pve, ['lvm', 'lvmthin'], groupOf)
  return Promise.all(
    found.map(async ([vg, id]) => {
      const { total, avail } = await spaceOf(pve, id)
      return { vg, size: total, free: avail, lvcount: volumesOn(pve, id).length }
    }),
  )
}

async function thinPools(pve: Pve, vg: string): Promise<ApiObject[]> {
  const mine = storagesOn(pve.store.state, pve.node).filter(
    ([id, storage]) => storage.type === 'lvmthin' && groupOf(id, storage) === vg,
  )
  return Promise.all(
    mine.map(async ([id, { properties }]) => {
      const { total, used } = await spaceOf(pve, id)
      const lv = properties?.['thinpool'] ?? 'data'
      return { lv, vg, lv_size: total, used, lv_state: 'a', lv_type: 't' }
    }),
  )
}

async function zfsPools(pve: Pve): Promise<ApiObject[]> {
  const found = namedStorages(pve, ['zfspool'], (id, { properties }) => properties?.['pool'] ?? id)
  return Promise.all(
    found.map(async ([pool, id]) => {
      const { total, avail } = await spaceOf(pve, id)
      return { pool, size: total, free: avail }
    }),
  )
}

const path = '/nodes/{node}/scan'
const node = { node: nodeName }

export const storageScanRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: node,
    handle: () => METHODS.map(method => ({ method })),
  }),
  route({
    method: 'GET',
    path: `${path}/lvm`,
    permission: mayScan,
    parameters: node,
    handle: ({ pve }) => groups(pve),
  }),
  route({
    method: 'GET',
    path: `${path}/lvmthin`,
    permission: mayScan,
    parameters: { ...node, vg: { ...text, pattern: /^[a-zA-Z0-9.+_][a-zA-Z0-9.+_-]+$/, maxLength: 100 } },
    handle: ({ pve, params }) => thinPools(pve, params.vg),
  }),
  route({
    method: 'GET',
    path: `${path}/zfs`,
    permission: mayScan,
    parameters: node,
    handle: ({ pve }) => zfsPools(pve),
  }),
]
