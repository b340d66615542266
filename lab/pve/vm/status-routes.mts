/** /nodes/{node}/qemu/{vmid}/status: a VM's power. A worker makes each change; its refusal is a failed task. */

import { failure } from '../core/errors.mts'
import { flag, integer, nodeName, optional, vmid } from '../core/parameters.mts'
import { allOf, requireMaySkipLock } from '../core/permission.mts'
import { type Call, type Route, route } from '../core/route.mts'
import type { TaskContext } from '../core/task.mts'
import { rebootVm, resetVm, shutdownVm, startVm, stopVm } from './power.mts'
import { statusOf } from './status.mts'
import { findVm, isRunning } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}/status'
const vm = { node: nodeName, vmid }
const seconds = optional({ ...integer, minimum: 0 })
const mayPower = allOf('/vms/{vmid}', 'VM.PowerMgmt')

function work<P extends { vmid: number }>(
  { pve, caller, params }: Call<P>,
  type: string,
  run: (task: TaskContext) => Promise<void>,
): Promise<string> {
  findVm(pve, params.vmid)
  return pve.tasks.start({ type, id: String(params.vmid), authid: caller.authid, work: run })
}

function requireRunning({ pve, params }: Call<{ vmid: number }>): void {
  findVm(pve, params.vmid)
  if (!isRunning(pve, params.vmid)) throw failure(`VM ${params.vmid} not running`)
}

export const qemuStatusRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${path}/current`,
    permission: allOf('/vms/{vmid}', 'VM.Audit'),
    parameters: vm,
    handle: ({ pve, params }) => statusOf(pve, findVm(pve, params.vmid)),
  }),
  route({
    method: 'POST',
    path: `${path}/start`,
    permission: mayPower,
    parameters: { ...vm, timeout: seconds },
    handle: call => work(call, 'qmstart', task => startVm(call.pve, call.params.vmid, task)),
  }),
  route({
    method: 'POST',
    path: `${path}/stop`,
    permission: mayPower,
    parameters: { ...vm, timeout: seconds, skiplock: optional(flag) },
    handle(call) {
      const { vmid: id, skiplock } = call.params
      requireMaySkipLock(call.caller, skiplock)
      return work(call, 'qmstop', () => stopVm(call.pve, id, skiplock ?? false))
    },
  }),
  route({
    method: 'POST',
    path: `${path}/shutdown`,
    permission: mayPower,
    parameters: {
      ...vm,
      timeout: seconds,
      forceStop: optional(flag),
    },
    handle(call) {
      const { vmid: id, forceStop, timeout } = call.params
      const options = { forceStop: forceStop ?? false, seconds: timeout }
      return work(call, 'qmshutdown', task => shutdownVm(call.pve, id, options, task))
    },
  }),
  route({
    method: 'POST',
    path: `${path}/reboot`,
    permission: mayPower,
    parameters: { ...vm, timeout: seconds },
    handle(call) {
      requireRunning(call)
      const { vmid: id, timeout } = call.params
      return work(call, 'qmreboot', task => rebootVm(call.pve, id, timeout, task))
    },
  }),
  route({
    method: 'POST',
    path: `${path}/reset`,
    permission: mayPower,
    parameters: vm,
    handle(call) {
      requireRunning(call)
      return work(call, 'qmreset', () => resetVm(call.pve, call.params.vmid))
    },
  }),
]
