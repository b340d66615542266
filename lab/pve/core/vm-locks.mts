/** The lock file of each VM: many may share it, one may have it alone, and waiting has an end. */

import { deferred } from '../../core/deferred.mts'
import type { ApiError } from './errors.mts'
import { failure } from './errors.mts'

interface Waiter {
  mode: 'shared' | 'exclusive'
  grant(): void
}

interface LockState {
  shared: number
  exclusive: boolean
  queue: Waiter[]
}

export interface VmLocks {
  /** Runs `work` alone on the VM. Fails with Proxmox's own text when it waited `seconds` for nothing. */
  exclusive<T>(vmid: number, seconds: number, work: () => Promise<T>): Promise<T>
  /** Runs `work` while others may read the VM too. */
  shared<T>(vmid: number, seconds: number, work: () => Promise<T>): Promise<T>
}

/** What Proxmox says when the wait for a VM's lock ends. */
export function lockTimeout(vmid: number): ApiError {
  return failure(`can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`)
}

function isFree(lock: LockState, mode: Waiter['mode']): boolean {
  return !lock.exclusive && (mode === 'shared' || lock.shared === 0)
}

function take(lock: LockState, mode: Waiter['mode']): void {
  if (mode === 'shared') lock.shared += 1
  else lock.exclusive = true
}

function give(lock: LockState, mode: Waiter['mode']): void {
  if (mode === 'shared') lock.shared -= 1
  else lock.exclusive = false
  while (lock.queue[0] && isFree(lock, lock.queue[0].mode)) {
    const waiter = lock.queue.shift()!
    take(lock, waiter.mode)
    waiter.grant()
  }
}

function wait(lock: LockState, mode: Waiter['mode'], vmid: number, seconds: number): Promise<void> {
  const { promise, resolve, reject } = deferred<void>()
  const waiter: Waiter = { mode, grant: resolve }
  const timer = setTimeout(() => {
    lock.queue.splice(lock.queue.indexOf(waiter), 1)
    reject(lockTimeout(vmid))
  }, seconds * 1000)
  lock.queue.push(waiter)
  return promise.finally(() => clearTimeout(timer))
}

/** Lock files of all VMs; waiting times are real seconds, whatever the time scale. */
export function createVmLocks(): VmLocks {
  const locks = new Map<number, LockState>()
  const lockOf = (vmid: number) => {
    const lock = locks.get(vmid) ?? { shared: 0, exclusive: false, queue: [] }
    locks.set(vmid, lock)
    return lock
  }
  const withLock =
    (mode: Waiter['mode']) =>
    async <T,>(vmid: number, seconds: number, work: () => Promise<T>): Promise<T> => {
      const lock = lockOf(vmid)
      if (lock.queue.length === 0 && isFree(lock, mode)) take(lock, mode)
      else await wait(lock, mode, vmid, seconds)
      try {
        return await work()
      } finally {
        give(lock, mode)
      }
    }
  return { exclusive: withLock('exclusive'), shared: withLock('shared') }
}
