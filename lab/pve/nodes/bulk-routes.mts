/** /nodes/{node}/startall and stopall: all VMs of a node, in the order of their `startup` option. */

import { permissionDenied } from '../core/errors.mts'
import { vmidFormat } from '../core/formats.mts'
import { flag, integer, listOf, nodeName, optional, splitList } from '../core/parameters.mts'
import { anyone, type Caller, hasAll, requireAll } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { type Route, route } from '../core/route.mts'
import type { Vm } from '../core/state.mts'
import type { TaskContext } from '../core/task.mts'
import { isManaged } from '../ha/files.mts'
import { shutdownVm, startVm } from '../vm/power.mts'
import { isTemplate } from '../vm/vm.mts'

const STOP_SECONDS = 180
const vms = { type: 'string', format: listOf(vmidFormat), optional: true } as const
const workers = optional({ ...integer, minimum: 1, maximum: 64 })

/** @throws {ApiError} 403 unless the caller may start and stop all of the VMs that are meant. */
function requirePower(caller: Caller, list: string | undefined): void {
  if (hasAll(caller, '/', 'VM.PowerMgmt')) return
  const named = splitList(list)
  if (named.length === 0) throw permissionDenied('/, VM.PowerMgmt')
  for (const vmid of named) requireAll(caller, `/vms/${vmid}`, 'VM.PowerMgmt')
}

/** Reads a part of a VM's `startup` option: `order=1,up=30`. */
function startupPart({ config }: Vm, key: string): number | undefined {
  const parts = (config['startup'] ?? '').split(',')
  const bare = key === 'order' ? parts.find(part => /^\d+$/.test(part)) : undefined
  const found = bare ?? parts.find(part => part.startsWith(`${key}=`))?.slice(key.length + 1)
  return found === undefined ? undefined : Number(found)
}

/** Lists the node's VMs in the order in which they start. VMs of high availability count only if they are named. */
function startOrder(pve: Pve, list: string | undefined): Vm[] {
  const named = list === undefined ? undefined : splitList(list)
  const orderOf = (vm: Vm): number => startupPart(vm, 'order') ?? Number.MAX_SAFE_INTEGER
  return Object.values(pve.store.state.vms)
    .filter(vm => vm.node === pve.node && !isTemplate(vm.config))
    .filter(vm => named?.includes(String(vm.vmid)) ?? !isManaged(pve, `vm:${vm.vmid}`))
    .sort((a, b) => orderOf(a) - orderOf(b) || a.vmid - b.vmid)
}

/** Runs one VM's work as a task of its own, and waits for its end. */
async function asTask(
  pve: Pve,
  { type, vmid, authid }: { type: string; vmid: number; authid: string },
  work: (task: TaskContext) => Promise<void>,
): Promise<void> {
  await new Promise<void>(resolve => {
    void pve.tasks.start({
      type,
      id: String(vmid),
      authid,
      work: task => work(task).finally(resolve),
    })
  })
}

/** Starts a worker that works on VMs one after another. */
function inTurn(
  pve: Pve,
  type: 'startall' | 'stopall',
  authid: string,
  { vms, work }: { vms: () => Vm[]; work: (vm: Vm, task: TaskContext) => Promise<void> },
): Promise<string> {
  return pve.tasks.start({
    type,
    id: '',
    authid,
    async work(task) {
      for (const vm of vms()) await work(vm, task)
    },
  })
}

export const bulkRoutes: Route[] = [
  route({
    method: 'POST',
    path: '/nodes/{node}/startall',
    permission: anyone,
    parameters: { node: nodeName, force: optional(flag), vms, 'max-workers': workers },
    handle({ pve, caller, params }) {
      requirePower(caller, params.vms)
      const { authid } = caller
      return inTurn(pve, 'startall', authid, {
        vms: () => startOrder(pve, params.vms),
        async work(vm, task) {
          const { vmid } = vm
          if (pve.live.has(vmid) || !(params.force || vm.config['onboot'] === '1')) return
          task.log(`Starting VM ${vmid}`)
          await asTask(pve, { type: 'qmstart', vmid, authid }, own => startVm(pve, vmid, own))
          await pve.pause(startupPart(vm, 'up') ?? 3)
        },
      })
    },
  }),
  route({
    method: 'POST',
    path: '/nodes/{node}/stopall',
    permission: anyone,
    parameters: {
      node: nodeName,
      vms,
      'force-stop': optional(flag),
      timeout: optional({ ...integer, minimum: 0, maximum: 7200 }),
      'max-workers': workers,
    },
    handle({ pve, caller, params }) {
      requirePower(caller, params.vms)
      const { authid } = caller
      return inTurn(pve, 'stopall', authid, {
        vms: () => startOrder(pve, params.vms).toReversed(),
        async work(vm, task) {
          const { vmid } = vm
          if (!pve.live.has(vmid)) return
          const seconds = startupPart(vm, 'down') ?? params.timeout ?? STOP_SECONDS
          task.log(`Stopping VM ${vmid} (timeout = ${seconds} seconds)`)
          await asTask(pve, { type: 'qmshutdown', vmid, authid }, own =>
            shutdownVm(pve, vmid, { forceStop: params['force-stop'] ?? true, seconds }, own),
          )
        },
      })
    },
  }),
]
