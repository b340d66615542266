/**
 * The current operation: a request, or the task that it started. An AsyncLocalStorage passes it along all calls, so
 * that locks and disks can match faults without a parameter for it.
 */

import { AsyncLocalStorage } from 'node:async_hooks'

export interface Operation {
  method: string
  /** Decoded path below `/api2/json`. */
  path: string
  /** VMs that the request or task is about. */
  vmids: Set<number>
  /** Type of the task; undefined in the request itself. */
  task: string | undefined
  /** Fails the worker. Undefined unless the worker must fail and has not failed yet. */
  fail: (() => Promise<never>) | undefined
  /** True if it holds a VM's lock. */
  locked: boolean
}

const current = new AsyncLocalStorage<Operation>()

export function operation(): Operation | undefined {
  return current.getStore()
}

export function requestOperation(method: string, path: string): Operation {
  return {
    method,
    path,
    vmids: new Set(),
    task: undefined,
    fail: undefined,
    locked: false,
  }
}

export function runAs<T>(doing: Operation, work: () => T): T {
  return current.run(doing, work)
}

/** Adds the VMs that a request's parameters name. */
export function noteVmids(...ids: (string | string[] | undefined)[]): void {
  for (const id of ids.flat()) if (id !== undefined && /^\d+$/.test(id)) operation()?.vmids.add(Number(id))
}
