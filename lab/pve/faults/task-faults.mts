/** Workers that are slow, and workers that fail in the midst of what they do. */

import { failure } from '../core/errors.mts'
import type { FaultOf, Faults } from '../core/fault.mts'
import type { TaskContext, TaskStart } from '../core/task.mts'
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

/** A clone that still waits for its turn holds nothing yet: what fails there is not in the midst of its work. */
function isMidway({ task, locked }: Operation): boolean {
  return task !== 'qmclone' || locked
}

/** Where work takes its time or touches a disk: here a task that is to fail does. */
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

/** The worker of a task, with the faults that are due for it. */
export function withTaskFaults(faults: Faults, task: TaskStart): TaskStart['work'] {
  return context => {
    const doing = taskOperation(task)
    return runAs(doing, async () => {
      const slow = faults.due('slow-task')
      if (slow) await faults.wait(slow.seconds, context.signal)
      const failing = faults.due('failing-task')
      if (failing) doing.fail = () => fail(faults, failing, context)
      await task.work(context)
      // Work that neither waits nor touches a disk has no midst: its end has to do.
      await doing.fail?.()
    })
  }
}
