/** Worker tasks. Each has a UPID, runs in parallel to the request that started it, and writes a log. */

import { messageOf, textOf } from '../core/errors.mts'
import type { Faults } from '../core/fault.mts'
import type { State, TaskRecord } from '../core/state.mts'
import type { Store } from '../core/store.mts'
import type { TaskContext, TaskStart, Tasks } from '../core/task.mts'
import { withTaskFaults } from '../faults/task-faults.mts'

/** Number of tasks to keep. The oldest finished tasks go first. */
const KEPT_TASKS = 500
/** Wait of a request for its worker with time scale 0, so that the first poll finds the task done. */
const AT_ONCE_MS = 500

/** Status that Proxmox gives a task whose log has no last line. */
export const UNEXPECTED_STATUS = 'unexpected status'

/**
 * Marks tasks as ended that ran when a server was killed, as in a power failure of a node. Locks in configs and
 * unfinished VMs and volumes stay, as on Proxmox.
 * @param now seconds since the epoch.
 */
export function endInterrupted({ tasks }: State, now: number): void {
  for (const task of tasks.filter(each => each.exitstatus === undefined)) {
    task.exitstatus = UNEXPECTED_STATUS
    task.endtime = now
  }
}

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
  /** Reads the node's clock in seconds since the epoch. */
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
    // Proxmox's index has one line per task.
    const text = textOf(error).replace(/\n$/, '').replaceAll('\n', ' ')
    status = controller.signal.aborted ? 'interrupted by signal' : text
    record.log.push(`TASK ERROR: ${status}`)
  }
  record.endtime = now()
  record.exitstatus = status
}

/** Makes a task fail whose result could not be saved: a restart would lose it. */
function noteUnsaved(record: TaskRecord, error: unknown): void {
  record.exitstatus = `cannot save the state: ${messageOf(error)}`
  record.log.push(`TASK ERROR: ${record.exitstatus}`)
}

interface TaskOptions {
  store: Store
  node: string
  /** Milliseconds since the epoch. `pstart` of a task counts from here. */
  bootedAt: number
  /** True: a request waits up to AT_ONCE_MS for its worker. */
  endAtOnce: boolean
  faults: Faults
  /** Reads the node's clock in milliseconds since the epoch. */
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
  const upid = formatUpid(task.node ?? options.node, identity)
  return { upid, ...identity, endtime: undefined, log: [], exitstatus: undefined }
}

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}

type Identity = Pick<TaskRecord, 'pid' | 'pstart' | 'starttime' | 'type' | 'id' | 'authid'>

/** Returns `UPID:node:pid:pstart:starttime:type:id:user@realm[!tokenid]:` with numbers in hex (PVE/Tools.pm). */
function formatUpid(node: string, { pid, pstart, starttime, type, id, authid }: Identity): string {
  return `UPID:${node}:${hex(pid)}:${hex(pstart)}:${hex(starttime)}:${type}:${id}:${authid}:`
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
  const find = (upid: string): TaskRecord | undefined => store.state.tasks.find(task => task.upid === upid)
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
      if (options.endAtOnce) await Promise.race([done, delay(AT_ONCE_MS)])
      return record.upid
    },
    abort: upid => running.get(upid)?.controller.abort(),
    async settled() {
      while (running.size > 0) await Promise.allSettled([...running.values()].map(task => task.done))
    },
  }
}
