/** /nodes/{node}/qemu/{vmid}/resize, move_disk and template: operations on a VM's disks. */

import { flag, integer, nodeName, optional, storageId, text, vmid } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { requireSpace } from '../storage/access.mts'
import { convertToTemplate, moveDisk, requireConvertible, requireMovable, resizeDisk } from './disks.mts'
import { DRIVE_SLOTS } from './drive-formats.mts'
import { findVm, requireDigest } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}'
const vm = { node: nodeName, vmid }
const disk = { type: 'string', enum: DRIVE_SLOTS } as const

export const qemuDiskRoutes: Route[] = [
  route({
    method: 'PUT',
    path: `${path}/resize`,
    permission: allOf('/vms/{vmid}', 'VM.Config.Disk'),
    parameters: {
      ...vm,
      disk,
      size: { type: 'string', pattern: /^\+?\d+(\.\d+)?[KMGT]?$/ },
      digest: optional(text),
    },
    handle({ pve, caller, params }) {
      findVm(pve, params.vmid)
      const { vmid: id, disk: slot, size, digest } = params
      return pve.tasks.start({
        type: 'resize',
        id: String(id),
        authid: caller.authid,
        work: () => resizeDisk(pve, { vmid: id, disk: slot, size, digest }),
      })
    },
  }),
  route({
    method: 'POST',
    path: `${path}/move_disk`,
    permission: allOf('/vms/{vmid}', 'VM.Config.Disk'),
    parameters: {
      ...vm,
      disk,
      storage: storageId,
      format: optional({ type: 'string', enum: ['raw', 'qcow2', 'vmdk'] }),
      delete: optional(flag),
      digest: optional(text),
      bwlimit: optional({ ...integer, minimum: 0 }),
    },
    handle({ pve, caller, params }) {
      const { vmid: id, disk: slot, storage, format, digest } = params
      requireSpace(pve, caller, storage)
      requireDigest(findVm(pve, id), digest)
      requireMovable(pve, id, slot, storage)
      return pve.tasks.start({
        type: 'qmmove',
        id: String(id),
        authid: caller.authid,
        work: () => moveDisk(pve, { vmid: id, disk: slot, storage, format, remove: params.delete ?? false }),
      })
    },
  }),
  route({
    method: 'POST',
    path: `${path}/template`,
    permission: allOf('/vms/{vmid}', 'VM.Allocate'),
    parameters: { ...vm, disk: optional(disk) },
    handle({ pve, caller, params }) {
      requireConvertible(pve, params.vmid)
      return pve.tasks.start({
        type: 'qmtemplate',
        id: String(params.vmid),
        authid: caller.authid,
        work: () => convertToTemplate(pve, params.vmid),
      })
    },
  }),
]
