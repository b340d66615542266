/** Faults of workers: a worker is slow, fails in the middle of its work, or waits for a lock too long. */

import { failure } from '../core/errors.mts'
import type { FaultOf, Faults } from '../core/fault.mts'
import type { TaskContext, TaskStart } from '../core/task.mts'
import { lockTimeout, type VmLocks } from '../core/vm-locks.mts'
import { type Operation, operation, requestOperation, runAs } from './operation.mts'

async function fail(
  faults: Faults,
  fault: FaultOf<'failing-task'>,
  { log, signal }: TaskContext,
): Promise<never> {
  const { message, seconds = 0, percent } = fault
  if (percent !== undefined) log(`transferred ${percent}.0 MiB of 100.0 MiB (${percent.toFixed(2)}%)`)
  await faults.wait(seconds, signal)
  throw failure(message ?? 'received interrupt')
}

/** Checks that the work has begun. A clone without its locks holds nothing yet. */
function isMidway({ task, locked }: Operation): boolean {
  return task !== 'qmclone' || locked
}

/** Fails the current task if a fault says so. Called when work waits or touches a disk. */
export async function midway(): Promise<void> {
  const doing = operation()
  if (!doing?.fail || !isMidway(doing)) return
  const { fail } = doing
  doing.fail = undefined
  await fail()
}

function taskOperation(task: TaskStart): Operation {
  const request = operation() ?? requestOperation('', '')
  const vmids = new Set(request.vmids)
  if (/^\d+$/.test(task.id)) vmids.add(Number(task.id))
  return { ...request, vmids, task: task.type, locked: false }
}

/** Wraps the work of a task with the faults that are due for it. */
export function withTaskFaults(faults: Faults, task: TaskStart): TaskStart['work'] {
  return context => {
    const doing = taskOperation(task)
    return runAs(doing, async () => {
      const slow = faults.due('slow-task')
      if (slow) await faults.wait(slow.seconds, context.signal)
      const failing = faults.due('failing-task')
      if (failing) doing.fail = () => fail(faults, failing, context)
      await task.work(context)
      // Work that neither waits nor touches a disk fails at its end.
      await doing.fail?.()
    })
  }
}

type Lock = VmLocks['exclusive']

/** Wraps the locks: they time out if a fault says so, as if another worker held them. */
export function lockFaults(locks: VmLocks, faults: Faults): VmLocks {
  const guarded =
    (lock: Lock): Lock =>
    async (vmid, seconds, work) => {
      const fault = faults.due('lock-timeout', { vmid })
      if (fault) {
        await faults.wait(fault.seconds ?? seconds)
        throw lockTimeout(vmid)
      }
      return lock(vmid, seconds, () => {
        const doing = operation()
        if (doing) doing.locked = true
        return work()
      })
    }
  return { exclusive: guarded(locks.exclusive), shared: guarded(locks.shared) }
}
