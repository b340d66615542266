/** Workers that are slow, and workers that fail in the midst of what they do. */

import { setTimeout as sleep } from 'node:timers/promises'
import { failure } from '../errors.mts'
import type { TaskContext, TaskStart } from '../tasks/tasks.mts'
import type { FaultOf } from './fault.mts'
import type { Faults } from './faults.mts'
import { type Operation, operation, requestOperation, runAs } from './operation.mts'

async function fail({ message, seconds = 0, percent }: FaultOf<'failing-task'>, log: TaskContext['log']) {
  if (percent !== undefined) log(`transferred ${percent}.0 MiB of 100.0 MiB (${percent.toFixed(2)}%)`)
  await sleep(seconds * 1000)
  throw failure(message ?? 'received interrupt')
}

/** A clone that still waits for its turn holds nothing yet: what fails there is not in the midst of its work. */
const isMidway = ({ task, locked }: Operation) => task !== 'qmclone' || locked

/** Where work takes its time or touches a disk: here a task that is to fail does. */
export async function midway(): Promise<void> {
  const doing = operation()
  if (!doing?.failing || !isMidway(doing)) return
  const { failing, log } = doing
  doing.failing = undefined
  await fail(failing, log)
}

function taskOperation(task: TaskStart, log: TaskContext['log']): Operation {
  const request = operation() ?? requestOperation('', '')
  const vmids = new Set(request.vmids)
  if (/^\d+$/.test(task.id)) vmids.add(Number(task.id))
  return { ...request, vmids, task: task.type, log, locked: false }
}

/** The worker of a task, with the faults that are due for it. */
export const withTaskFaults =
  (faults: Faults, task: TaskStart): TaskStart['work'] =>
  context => {
    const doing = taskOperation(task, context.log)
    return runAs(doing, async () => {
      const slow = faults.due('slow-task')
      if (slow) await sleep(slow.seconds * 1000, undefined, { signal: context.signal })
      doing.failing = faults.due('failing-task')
      await task.work(context)
      // Work that neither waits nor touches a disk has no midst: its end has to do.
      if (doing.failing) await fail(doing.failing, context.log)
    })
  }
