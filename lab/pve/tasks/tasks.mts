/** Worker tasks: each has a UPID, runs beside the request that started it, and leaves a log. */

import { messageOf } from '../core/errors.mts'
import type { Faults } from '../core/fault.mts'
import type { TaskRecord } from '../core/state.mts'
import type { Store } from '../core/store.mts'
import type { TaskContext, TaskStart, Tasks } from '../core/task.mts'
import { withTaskFaults } from '../faults/task-faults.mts'
import { formatUpid } from './upid.mts'

/** Finished tasks beyond this many are forgotten, oldest first. */
const KEPT_TASKS = 500
/** With time scale 0 a request waits this long for its worker, so that the first poll finds it done. */
const AT_ONCE_MILLISECONDS = 500

function contextOf(
  record: TaskRecord,
  controller: AbortController,
): { context: TaskContext; outcome: () => string } {
  let warnings = 0
  const context: TaskContext = {
    log: line => void record.log.push(line),
    warn: line => {
      warnings += 1
      record.log.push(`WARN: ${line}`)
    },
    signal: controller.signal,
  }
  return { context, outcome: () => (warnings === 0 ? 'OK' : `WARNINGS: ${warnings}`) }
}

interface Run {
  record: TaskRecord
  work: TaskStart['work']
  controller: AbortController
  /** The node's clock, in seconds. */
  now(): number
}

async function run({ record, work, controller, now }: Run): Promise<void> {
  const { context, outcome } = contextOf(record, controller)
  let status: string
  try {
    await work(context)
    status = outcome()
    record.log.push(`TASK ${status}`)
  } catch (error) {
    status = controller.signal.aborted ? 'interrupted by signal' : messageOf(error).trimEnd()
    record.log.push(`TASK ERROR: ${status}`)
  }
  record.endtime = now()
  // Task indexes are one line per task, so only the first line of an error is its status.
  record.exitstatus = status.split('\n')[0]!
}

/** What a task did but nobody can remember after a restart is no success, and nobody awaits the worker to tell. */
function noteUnsaved(record: TaskRecord, error: unknown): void {
  record.exitstatus = `cannot save the state: ${messageOf(error)}`
  record.log.push(`TASK ERROR: ${record.exitstatus}`)
}

interface TaskOptions {
  store: Store
  node: string
  /** Milliseconds since the epoch; processes are told apart by when they started after it. */
  bootedAt: number
  endAtOnce: boolean
  faults: Faults
  /** The node's clock, in milliseconds since the epoch. */
  now(): number
}

function secondsOf({ now }: TaskOptions): number {
  return Math.floor(now() / 1000)
}

function createRecord(options: TaskOptions, pid: number, task: TaskStart): TaskRecord {
  const pstart = Math.floor((Date.now() - options.bootedAt) / 10)
  const identity = {
    pid,
    pstart,
    starttime: secondsOf(options),
    type: task.type,
    id: task.id,
    authid: task.authid,
  }
  const upid = formatUpid({ node: task.node ?? options.node, ...identity })
  return { upid, ...identity, endtime: undefined, log: [], exitstatus: undefined }
}

function prune(tasks: TaskRecord[]): void {
  const surplus = tasks.length - KEPT_TASKS
  if (surplus <= 0) return
  const forgotten = new Set(tasks.filter(task => task.exitstatus !== undefined).slice(0, surplus))
  tasks.splice(0, tasks.length, ...tasks.filter(task => !forgotten.has(task)))
}

function delay(milliseconds: number): Promise<void> {
  return new Promise<void>(resolve => setTimeout(resolve, milliseconds).unref())
}

export function createTasks(options: TaskOptions): Tasks {
  const { store } = options
  const running = new Map<string, { done: Promise<void>; controller: AbortController }>()
  const find = (upid: string) => store.state.tasks.find(task => task.upid === upid)
  let lastPid = Math.max(1000, ...store.state.tasks.map(task => task.pid))

  return {
    find,
    async start(task) {
      lastPid += 1
      const record = createRecord(options, lastPid, task)
      store.state.tasks.push(record)
      prune(store.state.tasks)
      const controller = new AbortController()
      const work = withTaskFaults(options.faults, task)
      const done = run({ record, work, controller, now: () => secondsOf(options) })
        .then(() => store.save())
        .catch(error => noteUnsaved(record, error))
        .finally(() => running.delete(record.upid))
      running.set(record.upid, { done, controller })
      if (options.endAtOnce) await Promise.race([done, delay(AT_ONCE_MILLISECONDS)])
      return record.upid
    },
    abort: upid => running.get(upid)?.controller.abort(),
    async settled() {
      while (running.size > 0) await Promise.allSettled([...running.values()].map(task => task.done))
    },
  }
}
