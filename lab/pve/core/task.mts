/** Types of worker tasks, the duration of their simulated work, and the wait for their end. */

import { failure } from './errors.mts'
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

const POLL_MS = 50

/** Checks whether a task with this exit status succeeded. */
export function isGood(status: string): boolean {
  return status === 'OK' || status.startsWith('WARNINGS')
}

/**
 * Waits for the end of a task, for some seconds at most.
 * @param words for the error of a task that failed. Default: its exit status.
 * @returns undefined if it succeeded, and its UPID if it still runs. @throws {ApiError} if it failed.
 */
export async function endedWithin(
  tasks: Tasks,
  upid: string,
  seconds: number,
  words = (status: string): string => status,
): Promise<string | undefined> {
  const until = Date.now() + seconds * 1000
  for (;;) {
    const status = tasks.find(upid)?.exitstatus
    if (status === undefined && Date.now() >= until) return upid
    if (status !== undefined && !isGood(status)) throw failure(words(status))
    if (status !== undefined) return undefined
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
