/**
 * What the server is doing at the moment, for whatever has to know it far below: the request, and the task it
 * started. Travels along the calls by itself, so that locks and disks need not be told who wants them.
 */

import { AsyncLocalStorage } from 'node:async_hooks'

export interface Operation {
  method: string
  /** Below `/api2/json`, decoded. */
  path: string
  /** The VMs it is about. */
  vmids: Set<number>
  /** Type of the task; undefined in the request itself. */
  task: string | undefined
  /** A worker that is to fail: fails it. Undefined for others, and when it did. */
  fail: (() => Promise<never>) | undefined
  /** Whether it holds a VM's lock by now. */
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
