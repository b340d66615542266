/** /nodes/{node}/qemu/{vmid}/resize, move_disk and template: operations on a VM's disks. */

import { parameterError } from '../core/errors.mts'
import { flag, integer, nodeName, optional, storageId, vmid } from '../core/parameters.mts'
import { allOf, type Caller, requireAll, requireMaySkipLock } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import { convertToTemplate, requireConvertible, resizeDisk } from './disks.mts'
import { DRIVE_SLOTS } from './drive-formats.mts'
import { moveDisk, requireMovable } from './move-disk.mts'
import { reassignDisk, requireReassignable, requireUnmodified } from './reassign-disk.mts'

const path = '/nodes/{node}/qemu/{vmid}'
const vm = { node: nodeName, vmid }
const disk = { type: 'string', enum: DRIVE_SLOTS } as const
const UNUSED = Array.from({ length: 256 }, (_, index) => `unused${index}`)
const anyDisk = { type: 'string', enum: [...DRIVE_SLOTS, ...UNUSED] } as const
const digest = optional({ type: 'string', maxLength: 40 })
const skiplock = optional(flag)

/** Refuses both targets at once, and none. @throws {ApiError} 400 that names both parameters. */
function requireOneTarget(storage: string | undefined, target: number | undefined): void {
  if ((storage === undefined) !== (target === undefined)) return
  const fault =
    storage === undefined
      ? "both 'storage' and 'target-vmid' missing, either needs to be set"
      : "either set 'storage' or 'target-vmid', but not both"
  throw parameterError({ storage: fault, 'target-vmid': fault })
}

type Reassignment = Parameters<typeof reassignDisk>[2]

function startReassignment(pve: Pve, caller: Caller, given: Reassignment): Promise<string> {
  const { vmid: id, disk: slot, targetVmid, targetDisk } = given
  if (caller.authid !== 'root@pam') requireAll(caller, `/vms/${targetVmid}`, 'VM.Config.Disk')
  const { drive } = requireReassignable(pve, given)
  requireAll(caller, `/storage/${drive.file.split(':')[0]}`, 'Datastore.AllocateSpace')
  return pve.tasks.start({
    type: 'qmmove',
    id: `${id}-${slot}>${targetVmid}-${targetDisk}`,
    authid: caller.authid,
    work: task => reassignDisk(pve, caller, given, task),
  })
}

type Move = Parameters<typeof moveDisk>[1]

function startMove(pve: Pve, caller: Caller, move: Move): Promise<string> {
  requireAll(caller, `/storage/${move.storage}`, 'Datastore.AllocateSpace')
  requireMovable(pve, move, found => requireUnmodified(found, move.digest))
  return pve.tasks.start({
    type: 'qmmove',
    id: String(move.vmid),
    authid: caller.authid,
    work: task => moveDisk(pve, move, task),
  })
}

export const qemuDiskRoutes: Route[] = [
  route({
    method: 'PUT',
    path: `${path}/resize`,
    permission: allOf('/vms/{vmid}', 'VM.Config.Disk'),
    parameters: {
      ...vm,
      disk,
      size: { type: 'string', pattern: /^\+?\d+(\.\d+)?[KMGT]?$/ },
      digest,
      skiplock,
    },
    handle({ pve, caller, params }) {
      requireMaySkipLock(caller, params.skiplock)
      const { vmid: id, disk: slot, size } = params
      const options = {
        vmid: id,
        disk: slot,
        size,
        digest: params.digest,
        skiplock: params.skiplock ?? false,
      }
      return pve.tasks.start({
        type: 'resize',
        id: String(id),
        authid: caller.authid,
        work: task => resizeDisk(pve, caller, options, task),
      })
    },
  }),
  route({
    method: 'POST',
    path: `${path}/move_disk`,
    permission: allOf('/vms/{vmid}', 'VM.Config.Disk'),
    parameters: {
      ...vm,
      disk: anyDisk,
      storage: optional(storageId),
      'target-vmid': optional(vmid),
      'target-disk': optional(anyDisk),
      'target-digest': digest,
      format: optional({ type: 'string', enum: ['raw', 'qcow2', 'vmdk'] }),
      delete: optional(flag),
      digest,
      bwlimit: optional({ ...integer, minimum: 0 }),
    },
    handle({ pve, caller, params }) {
      const { vmid: id, disk: slot, storage, format, 'target-vmid': targetVmid } = params
      requireOneTarget(storage, targetVmid)
      const what = { vmid: id, disk: slot, digest: params.digest }
      if (storage !== undefined)
        return startMove(pve, caller, { ...what, storage, format, remove: params.delete ?? false })
      return startReassignment(pve, caller, {
        ...what,
        targetVmid: targetVmid!,
        targetDisk: params['target-disk'] ?? slot,
        targetDigest: params['target-digest'],
      })
    },
  }),
  route({
    method: 'POST',
    path: `${path}/template`,
    permission: allOf('/vms/{vmid}', 'VM.Allocate'),
    parameters: { ...vm, disk: optional(disk) },
    handle({ pve, caller, params }) {
      requireConvertible(pve, params.vmid, params.disk)
      return pve.tasks.start({
        type: 'qmtemplate',
        id: String(params.vmid),
        authid: caller.authid,
        work: () => convertToTemplate(pve, params.vmid, params.disk),
      })
    },
  }),
]
