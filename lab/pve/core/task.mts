/** A worker task: what starts one, what it is given, and who runs them all. */

import type { TaskRecord } from './state.mts'

export interface TaskContext {
  log(line: string): void
  /** The task still succeeds, as `WARNINGS: n`. */
  warn(line: string): void
  /** Aborted when a client stops the task. */
  signal: AbortSignal
}

export interface TaskStart {
  /** Where it runs; the node that serves the API when not given. */
  node?: string
  /** `qmclone`, `qmstart`, `download`, ... */
  type: string
  /** The vmid or file the task is about; may be empty. */
  id: string
  authid: string
  work(task: TaskContext): Promise<void>
}

export interface Tasks {
  /** Starts the worker and returns its UPID; its failure only shows in the task's exit status. */
  start(task: TaskStart): Promise<string>
  find(upid: string): TaskRecord | undefined
  /** Asks a running task to stop. */
  abort(upid: string): void
  /** Resolves when no task runs. */
  settled(): Promise<void>
}
