/** /nodes/{node}/qemu/{vmid}/status: a VM's power. A worker makes each change; its refusal is a failed task. */

import { failure, parameterError } from '../core/errors.mts'
import { flag, integer, nodeName, optional, storageId, text, vmid } from '../core/parameters.mts'
import { allOf, anyone, type Caller, requireMaySkipLock } from '../core/permission.mts'
import { type Call, type Route, route } from '../core/route.mts'
import type { TaskContext } from '../core/task.mts'
import { abortableTasks } from '../tasks/routes.mts'
import { isHighlyAvailable, requestHaStart, requestHaStop } from './ha-power.mts'
import { rebootVm, resetVm, shutdownVm, startVm, stopVm } from './power.mts'
import { hibernateVm, pauseVm, requireHibernatable, resumeVm } from './run-state.mts'
import { statusOf } from './status.mts'
import { findVm, hasLock, isPaused, requireRunning } from './vm.mts'

const path = '/nodes/{node}/qemu/{vmid}/status'
const vm = { node: nodeName, vmid }
const seconds = optional({ ...integer, minimum: 0 })
const skiplock = optional(flag)
const mayPower = allOf('/vms/{vmid}', 'VM.PowerMgmt')

function work<P extends { vmid: number }>(
  { pve, caller, params }: Call<P>,
  type: string,
  run: (task: TaskContext) => Promise<void>,
): Promise<string> {
  return pve.tasks.start({ type, id: String(params.vmid), authid: caller.authid, work: run })
}

/** Refuses options that only root may use; its tokens may not. @throws {ApiError} 400 that names the first one. */
function requireRootFor(caller: Caller, params: object, keys: readonly string[]): void {
  if (caller.authid === 'root@pam') return
  const given = new Map(Object.entries(params))
  const used = keys.find(key => given.get(key))
  if (used !== undefined) throw parameterError({ [used]: 'Only root may use this option.' })
}

/** Options of a start that migrations use. This node does not migrate from another cluster. */
const START_OF_ROOT = [
  ...['stateuri', 'skiplock', 'migratedfrom', 'migration_type', 'migration_network', 'targetstorage'],
  ...['force-cpu', 'with-conntrack-state', 'nets-host-mtu'],
]

/** Ends running shutdowns of the VM that the caller may end, so that the stop need not wait for them. */
function overruleShutdowns({ pve, caller, params }: Call<{ vmid: number }>, task: TaskContext): void {
  const shutdowns = abortableTasks(pve, caller, 'qmshutdown', String(params.vmid))
  for (const upid of shutdowns) pve.tasks.abort(upid)
  if (shutdowns.length > 0) task.log(`overruled qmshutdown tasks: ${shutdowns.join(', ')}`)
}

export const qemuStatusRoutes: Route[] = [
  route({
    method: 'GET',
    path,
    permission: anyone,
    parameters: vm,
    handle({ pve, params }) {
      findVm(pve, params.vmid)
      const names = ['current', 'start', 'stop', 'reset', 'shutdown', 'suspend', 'reboot']
      return names.map(subdir => ({ subdir }))
    },
  }),
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
    parameters: {
      ...vm,
      timeout: seconds,
      skiplock,
      stateuri: optional({ type: 'string', maxLength: 128 }),
      migratedfrom: optional(nodeName),
      migration_type: optional({ type: 'string', enum: ['secure', 'insecure'] }),
      migration_network: optional(text),
      machine: optional(text),
      'force-cpu': optional(text),
      targetstorage: optional(text),
      'with-conntrack-state': optional(flag),
      'nets-host-mtu': optional(text),
    },
    handle(call) {
      requireRootFor(call.caller, call.params, START_OF_ROOT)
      if (call.params.targetstorage && !call.params.migratedfrom)
        throw parameterError({ targetstorage: 'targetstorage can only by used with migratedfrom.' })
      const { vmid: id, stateuri } = call.params
      if (isHighlyAvailable(call.pve, id) && !stateuri)
        return work(call, 'hastart', task => requestHaStart(call.pve, id, task))
      const options = { skiplock: call.params.skiplock }
      return work(call, 'qmstart', task => startVm(call.pve, call.params.vmid, task, options))
    },
  }),
  route({
    method: 'POST',
    path: `${path}/stop`,
    permission: mayPower,
    parameters: {
      ...vm,
      timeout: seconds,
      skiplock,
      migratedfrom: optional(nodeName),
      keepActive: optional(flag),
      'overrule-shutdown': optional(flag),
    },
    handle(call) {
      const { vmid: id, skiplock: skip = false, 'overrule-shutdown': overrule } = call.params
      requireRootFor(call.caller, call.params, ['skiplock', 'keepActive', 'migratedfrom'])
      if (isHighlyAvailable(call.pve, id) && call.params.migratedfrom === undefined) {
        if (overrule) throw parameterError({ 'overrule-shutdown': 'Not applicable for HA resources.' })
        return work(call, 'hastop', task => requestHaStop(call.pve, id, task, 0))
      }
      return work(call, 'qmstop', async task => {
        if (overrule) overruleShutdowns(call, task)
        await stopVm(call.pve, id, skip)
      })
    },
  }),
  route({
    method: 'POST',
    path: `${path}/shutdown`,
    permission: mayPower,
    parameters: { ...vm, timeout: seconds, skiplock, forceStop: optional(flag), keepActive: optional(flag) },
    handle(call) {
      const { vmid: id, forceStop = false, timeout, skiplock: skip } = call.params
      requireRootFor(call.caller, call.params, ['skiplock', 'keepActive'])
      // A halted guest would see the button only after it goes on.
      const paused = isPaused(call.pve, id)
      if (paused && !forceStop) throw failure('VM is paused - cannot shutdown')
      if (isHighlyAvailable(call.pve, id))
        return work(call, 'hastop', task => requestHaStop(call.pve, id, task, timeout))
      return work(call, 'qmshutdown', task =>
        paused
          ? stopVm(call.pve, id, skip ?? false)
          : shutdownVm(call.pve, id, { forceStop, seconds: timeout, skiplock: skip }, task),
      )
    },
  }),
  route({
    method: 'POST',
    path: `${path}/reboot`,
    permission: mayPower,
    parameters: { ...vm, timeout: seconds },
    handle(call) {
      const { vmid: id, timeout } = call.params
      if (isPaused(call.pve, id)) throw failure('VM is paused - cannot shutdown')
      requireRunning(call.pve, id)
      return work(call, 'qmreboot', task => rebootVm(call.pve, id, timeout, task))
    },
  }),
  route({
    method: 'POST',
    path: `${path}/reset`,
    permission: mayPower,
    parameters: { ...vm, skiplock },
    handle(call) {
      requireMaySkipLock(call.caller, call.params.skiplock)
      requireRunning(call.pve, call.params.vmid)
      return work(call, 'qmreset', () => resetVm(call.pve, call.params.vmid, call.params.skiplock ?? false))
    },
  }),
  route({
    method: 'POST',
    path: `${path}/suspend`,
    permission: mayPower,
    parameters: {
      ...vm,
      skiplock,
      todisk: optional(flag),
      statestorage: optional({ ...storageId, requires: 'todisk' }),
    },
    handle(call) {
      const { pve, caller, params } = call
      const { vmid: id, todisk, statestorage, skiplock: skip = false } = params
      requireMaySkipLock(caller, skip)
      requireRunning(pve, id)
      if (!todisk) return work(call, 'qmpause', () => pauseVm(pve, id, skip))
      const storage = requireHibernatable(pve, caller, id, statestorage)
      return work(call, 'qmsuspend', task => hibernateVm(pve, { vmid: id, storage, skiplock: skip }, task))
    },
  }),
  route({
    method: 'POST',
    path: `${path}/resume`,
    permission: mayPower,
    parameters: { ...vm, skiplock, nocheck: optional(flag) },
    handle(call) {
      const { pve, params } = call
      const { vmid: id, skiplock: skip = false } = params
      requireRootFor(call.caller, params, ['skiplock', 'nocheck'])
      const found = pve.store.state.vms[id]
      const onDisk = found?.node === pve.node && hasLock(found, 'suspended')
      if (!onDisk) requireRunning(pve, id)
      return work(call, 'qmresume', task =>
        onDisk ? startVm(pve, id, task, { skiplock: skip }) : resumeVm(pve, id, skip),
      )
    },
  }),
]
