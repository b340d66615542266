/** /nodes/{node}/qemu: lists, clones, migrates and deletes VMs. */

import { failure, parameterError } from '../core/errors.mts'
import { dnsName, flag, integer, nodeName, optional, storageId, text, vmid } from '../core/parameters.mts'
import { allOf, and, anyone, hasAll, or, type Permission, requireMaySkipLock } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { forgetVm, isManaged } from '../ha/files.mts'
import { type Cloning, cloneVm, requireCloneable } from './clone.mts'
import { destroyVm, requireDestroyable } from './destroy.mts'
import { migrateVm, migrationPreconditions, requireMigratable } from './migrate.mts'
import { snapshotName } from './snapshot-parts.mts'
import { listEntryOf } from './status.mts'

const path = '/nodes/{node}/qemu'
const vm = { node: nodeName, vmid }

/** Requires VM.Allocate on a new VM's own path or on its pool. @param id parameter with the VMID. */
function mayAllocate(id: string): Permission {
  return or(allOf(`/vms/{${id}}`, 'VM.Allocate'), {
    kind: 'all-of',
    path: '/pool/{pool}',
    privileges: ['VM.Allocate'],
    onlyWith: 'pool',
  })
}

/** Parameters of a migration that only root may use. */
const ROOT_ONLY = ['force', 'migration_type', 'migration_network'] as const

export const qemuRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: { node: nodeName, full: optional(flag) },
    handle: ({ pve, caller }) =>
      Object.values(pve.store.state.vms)
        .filter(each => each.node === pve.node && hasAll(caller, `/vms/${each.vmid}`, 'VM.Audit'))
        .map(each => listEntryOf(pve, each)),
  }),
  route({
    method: 'POST',
    path: `${path}/{vmid}/clone`,
    permission: and(allOf('/vms/{vmid}', 'VM.Clone'), mayAllocate('newid')),
    parameters: {
      ...vm,
      newid: vmid,
      name: optional(dnsName),
      description: optional(text),
      full: optional(flag),
      format: optional({ type: 'string', enum: ['raw', 'qcow2', 'vmdk'] }),
      storage: optional(storageId),
      pool: optional(text),
      target: optional(nodeName),
      snapname: optional(snapshotName),
      bwlimit: optional({ ...integer, minimum: 0 }),
    },
    handle({ pve, caller, params }) {
      const { name, description, full, storage, format, pool, snapname } = params
      const cloning: Cloning = {
        vmid: params.vmid,
        newid: params.newid,
        name,
        description,
        full,
        storage,
        format,
        pool,
        snapname,
        target: [pve.node, 'localhost'].includes(params.target ?? pve.node) ? undefined : params.target,
      }
      requireCloneable(pve, caller, cloning)
      return pve.tasks.start({
        type: 'qmclone',
        id: String(params.vmid),
        authid: caller.authid,
        work: task => cloneVm(pve, caller, cloning, task),
      })
    },
  }),
  route({
    method: 'GET',
    path: `${path}/{vmid}/migrate`,
    permission: allOf('/vms/{vmid}', 'VM.Migrate'),
    parameters: { ...vm, target: optional(nodeName) },
    handle: ({ pve, params }) => migrationPreconditions(pve, params.vmid),
  }),
  route({
    method: 'POST',
    path: `${path}/{vmid}/migrate`,
    permission: allOf('/vms/{vmid}', 'VM.Migrate'),
    parameters: {
      ...vm,
      target: nodeName,
      online: optional(flag),
      force: optional(flag),
      migration_type: optional({ type: 'string', enum: ['secure', 'insecure'] }),
      migration_network: optional(text),
      'with-local-disks': optional(flag),
      targetstorage: optional(text),
      bwlimit: optional({ ...integer, minimum: 0 }),
    },
    handle({ pve, caller, params }) {
      const rooted = ROOT_ONLY.find(key => params[key])
      if (rooted !== undefined && caller.authid !== 'root@pam')
        throw parameterError({ [rooted]: 'Only root may use this option.' })
      const { vmid: id, target, online, targetstorage } = params
      const migration = { vmid: id, target, online: online ?? false, targetstorage }
      requireMigratable(pve, caller, migration)
      return pve.tasks.start({
        type: 'qmigrate',
        id: String(id),
        authid: caller.authid,
        work: task => migrateVm(pve, migration, task),
      })
    },
  }),
  route({
    method: 'DELETE',
    path: `${path}/{vmid}`,
    permission: allOf('/vms/{vmid}', 'VM.Allocate'),
    parameters: {
      ...vm,
      purge: optional(flag),
      'destroy-unreferenced-disks': optional(flag),
      skiplock: optional(flag),
    },
    handle({ pve, caller, params }) {
      requireMaySkipLock(caller, params.skiplock)
      requireDestroyable(pve, params.vmid)
      if (!params.purge && isManaged(pve, `vm:${params.vmid}`))
        throw failure(
          `unable to remove VM ${params.vmid} - used in HA resources and purge parameter not set.`,
        )
      if (params.purge) forgetVm(pve, params.vmid)
      const options = {
        skiplock: params.skiplock ?? false,
        unreferenced: params['destroy-unreferenced-disks'] ?? false,
      }
      return pve.tasks.start({
        type: 'qmdestroy',
        id: String(params.vmid),
        authid: caller.authid,
        work: task => destroyVm(pve, params.vmid, options, task),
      })
    },
  }),
]
