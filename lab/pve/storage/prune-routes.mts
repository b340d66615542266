/** /nodes/{node}/storage/{storage}/prunebackups: which backups are kept, and the removal of the others. */

import { failure } from '../core/errors.mts'
import { nodeName, optional, storageId, text, vmid } from '../core/parameters.mts'
import { anyOf, anyone, requireAll } from '../core/permission.mts'
import { parsePropertyString } from '../core/property-string.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { PRUNE_FORMAT } from './config-schema.mts'
import { type Keep, plannedPrune, prune } from './prune.mts'

const path = '/nodes/{node}/storage/{storage}/prunebackups'
const parameters = {
  node: nodeName,
  storage: storageId,
  'prune-backups': optional({ ...text, format: PRUNE_FORMAT }),
  type: optional({ ...text, enum: ['qemu', 'lxc'] }),
  vmid: optional(vmid),
} as const

/** Reads the rules of a request, or else those of the storage. @throws {ApiError} if there are none. */
function keepOf(pve: Pve, storage: string, sent: string | undefined): Keep {
  const config = pve.store.state.storages[storage]
  if (!config) throw failure(`storage '${storage}' does not exist`)
  if (!config.content.includes('backup')) throw failure(`storage '${storage}' does not support backups`)
  const rules = sent ?? config.properties?.['prune-backups']
  if (rules === undefined) throw failure(`no prune-backups options configured for storage '${storage}'`)
  return parsePropertyString(PRUNE_FORMAT, rules)
}

export const storagePruneRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyOf('/storage/{storage}', 'Datastore.Audit', 'Datastore.AllocateSpace'),
    parameters,
    handle({ pve, params: { storage, type, vmid, 'prune-backups': rules } }) {
      return plannedPrune(pve, { storage, type, vmid, keep: keepOf(pve, storage, rules) })
    },
  }),
  route({
    method: 'DELETE',
    path,
    permission: anyone,
    parameters,
    handle({ pve, caller, params: { storage, type, vmid, 'prune-backups': rules } }) {
      if (vmid === undefined) requireAll(caller, `/storage/${storage}`, 'Datastore.Allocate')
      else {
        requireAll(caller, `/storage/${storage}`, 'Datastore.AllocateSpace')
        requireAll(caller, `/vms/${vmid}`, 'VM.Backup')
      }
      return pve.tasks.start({
        type: 'prunebackups',
        id: vmid === undefined ? storage : `${vmid}@${storage}`,
        authid: caller.authid,
        work: async task => prune(pve, { storage, type, vmid, keep: keepOf(pve, storage, rules) }, task),
      })
    },
  }),
]
