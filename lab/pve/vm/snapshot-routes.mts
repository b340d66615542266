/** /nodes/{node}/qemu/{vmid}/snapshot: lists, takes, changes and deletes snapshots, and goes back to one. */

import { failure } from '../core/errors.mts'
import { flag, nodeName, optional, text, vmid } from '../core/parameters.mts'
import { allOf, anyOf, anyone, requireAll } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'
import { startVm } from './power.mts'
import { rollBack } from './rollback.mts'
import { requireSavable } from './run-state.mts'
import { lockedVm, requireSnapshot, snapshotConfig, snapshotName } from './snapshot-parts.mts'
import { deleteSnapshot, snapshotsOf, takeSnapshot } from './snapshots.mts'
import { findVm, isRunning, requireUnlocked } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}/snapshot'
const vm = { node: nodeName, vmid }
const one = { ...vm, snapname: snapshotName }

/** Refuses the names of things that are no snapshots. */
function requireUsableName(name: string): void {
  const reserved = name === 'current' ? name : /^pending$/i.test(name) ? 'pending' : undefined
  if (reserved !== undefined) throw failure(`unable to use snapshot name '${reserved}' (reserved name)`)
}

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
    parameters: { ...one, description: optional(text), vmstate: optional(flag) },
    handle({ pve, caller, params }) {
      const { vmid: id, snapname: name, description, vmstate: memory = false } = params
      requireUsableName(name)
      const found = findVm(pve, id)
      if (memory) requireSavable(found)
      return pve.tasks.start({
        type: 'qmsnapshot',
        id: String(id),
        authid: caller.authid,
        work: task => takeSnapshot(pve, { vmid: id, name, description, memory }, task),
      })
    },
  }),
  route({
    method: 'GET',
    path: `${path}/{snapname}`,
    permission: anyone,
    parameters: one,
    handle: () => [{ cmd: 'rollback' }, { cmd: 'config' }],
  }),
  route({
    method: 'GET',
    path: `${path}/{snapname}/config`,
    permission: anyOf('/vms/{vmid}', 'VM.Snapshot', 'VM.Snapshot.Rollback', 'VM.Audit'),
    parameters: one,
    handle: ({ pve, params }) => snapshotConfig(requireSnapshot(findVm(pve, params.vmid), params.snapname)),
  }),
  route({
    method: 'PUT',
    path: `${path}/{snapname}/config`,
    permission: allOf('/vms/{vmid}', 'VM.Snapshot'),
    parameters: { ...one, description: optional(text) },
    async handle({ pve, params }) {
      const { vmid: id, snapname: name, description } = params
      if (description === undefined) return
      await lockedVm(pve, id, async found => {
        requireUnlocked(found)
        requireSnapshot(found, name).description = description || undefined
      })
    },
  }),
  route({
    method: 'POST',
    path: `${path}/{snapname}/rollback`,
    permission: anyOf('/vms/{vmid}', 'VM.Snapshot', 'VM.Snapshot.Rollback'),
    parameters: { ...one, start: optional(flag) },
    handle({ pve, caller, params }) {
      const { vmid: id, snapname: name, start } = params
      if (start) requireAll(caller, `/vms/${id}`, 'VM.PowerMgmt')
      const { authid } = caller
      return pve.tasks.start({
        type: 'qmrollback',
        id: String(id),
        authid,
        async work(task) {
          await rollBack(pve, id, name, task)
          if (!start || isRunning(pve, id)) return
          await pve.tasks.start({
            type: 'qmstart',
            id: String(id),
            authid,
            work: starting => startVm(pve, id, starting),
          })
        },
      })
    },
  }),
  route({
    method: 'DELETE',
    path: `${path}/{snapname}`,
    permission: allOf('/vms/{vmid}', 'VM.Snapshot'),
    parameters: { ...one, force: optional(flag) },
    handle({ pve, caller, params }) {
      const { vmid: id, snapname: name, force = false } = params
      return pve.tasks.start({
        type: 'qmdelsnapshot',
        id: String(id),
        authid: caller.authid,
        work: task => deleteSnapshot(pve, { vmid: id, name, force }, task),
      })
    },
  }),
]
