/** /nodes/{node}/qemu/{vmid}/snapshot: lists, takes and deletes snapshots. */

import { flag, nodeName, optional, text, vmid } from '../core/parameters.mts'
import { allOf } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { DURATIONS } from '../core/task.mts'
import {
  deleteSnapshot,
  requireSnapshot,
  requireSnapshotable,
  snapshotsOf,
  takeSnapshot,
} from './snapshots.mts'
import { findVm } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}/snapshot'
const vm = { node: nodeName, vmid }
const snapname = { type: 'string', pattern: /^[a-z][a-z0-9_-]{1,39}$/i } as const

export const qemuSnapshotRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: vm,
    handle: ({ pve, params }) => snapshotsOf(pve, findVm(pve, params.vmid)),
  }),
  route({
    method: 'POST',
    path,
    permission: allOf('/vms/{vmid}', 'VM.Snapshot'),
    parameters: { ...vm, snapname, description: optional(text), vmstate: optional(flag) },
    handle({ pve, caller, params }) {
      requireSnapshotable(pve, findVm(pve, params.vmid), params.snapname)
      return pve.tasks.start({
        type: 'qmsnapshot',
        id: String(params.vmid),
        authid: caller.authid,
        async work() {
          await pve.pause(DURATIONS.snapshot)
          await takeSnapshot(pve, params.vmid, params.snapname, params.description)
        },
      })
    },
  }),
  route({
    method: 'DELETE',
    path: `${path}/{snapname}`,
    permission: allOf('/vms/{vmid}', 'VM.Snapshot'),
    parameters: { ...vm, snapname, force: optional(flag) },
    handle({ pve, caller, params }) {
      requireSnapshot(findVm(pve, params.vmid), params.snapname)
      return pve.tasks.start({
        type: 'qmdelsnapshot',
        id: String(params.vmid),
        authid: caller.authid,
        async work() {
          await pve.pause(DURATIONS.snapshot)
          await deleteSnapshot(pve, params.vmid, params.snapname)
        },
      })
    },
  }),
]
