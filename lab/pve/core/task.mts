/** Types of worker tasks, and the duration of their simulated work. */

import type { TaskRecord } from './state.mts'

export interface TaskContext {
  log(line: string): void
  /** Logs a warning. The task still succeeds, with the status `WARNINGS: n`. */
  warn(line: string): void
  /** Aborts when a client stops the task. */
  signal: AbortSignal
}

export interface TaskStart {
  /** Node that runs it. Default: the node that serves the API. */
  node?: string
  /** Type in the UPID: `qmclone`, `qmstart`, `download`, ... */
  type: string
  /** VMID or file of the task; may be empty. */
  id: string
  authid: string
  work(task: TaskContext): Promise<void>
}

/** Duration of simulated work at time scale 1, in seconds. Real copying and booting take additional time. */
export const DURATIONS = {
  create: 1,
  /** Delay before the worker of a clone checks its target. Two clones to one VMID can both get this far. */
  cloneFork: 0.1,
  cloneFull: 4,
  cloneLinked: 1,
  start: 1,
  stop: 1,
  template: 1,
  destroy: 1,
  config: 0.2,
  moveDisk: 4,
  snapshot: 0.5,
  migrate: 2,
  transfer: 1,
} as const

export interface Tasks {
  /** Starts the worker and returns its UPID. A failure of the worker shows only in the task's exit status. */
  start(task: TaskStart): Promise<string>
  find(upid: string): TaskRecord | undefined
  /** Asks a running task to stop. */
  abort(upid: string): void
  /** Resolves when no task runs. */
  settled(): Promise<void>
}
