/** /nodes/{node}/qemu/{vmid}/migrate: to another node of the cluster. */

import { parameterError } from '../core/errors.mts'
import { flag, integer, nodeName, optional, text, vmid } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { migrateVm, requireMigratable } from './migrate.mts'

const ROOT_ONLY = ['force', 'migration_type', 'migration_network'] as const

export const qemuMigrateRoutes: Route[] = [
  route({
    method: 'POST',
    path: '/nodes/{node}/qemu/{vmid}/migrate',
    permission: allOf('/vms/{vmid}', 'VM.Migrate'),
    parameters: {
      node: nodeName,
      vmid,
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
]
