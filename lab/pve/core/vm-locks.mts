/** The lock file of each VM: shared or exclusive, with a limit for waiting. */

import { deferred } from '../../core/deferred.mts'
import { type ApiError, failure } from './errors.mts'

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
  /** Runs `work` alone on the VM. @throws {ApiError} with Proxmox's text after a wait of `seconds`. */
  exclusive<T>(vmid: number, seconds: number, work: () => Promise<T>): Promise<T>
  /** Runs `work` while other holders of the shared lock may run, too. @throws as `exclusive`. */
  shared<T>(vmid: number, seconds: number, work: () => Promise<T>): Promise<T>
}

/** Makes Proxmox's error for a wait that was too long. */
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

function wait(lock: LockState, mode: Waiter['mode'], vmid: number, ms: number): Promise<void> {
  const { promise, resolve, reject } = deferred<void>()
  const waiter: Waiter = { mode, grant: resolve }
  const timer = setTimeout(() => {
    lock.queue.splice(lock.queue.indexOf(waiter), 1)
    reject(lockTimeout(vmid))
  }, ms)
  lock.queue.push(waiter)
  return promise.finally(() => clearTimeout(timer))
}

/**
 * Makes the locks of all VMs. The time scale does not change their waits.
 * @param secondMs length of a second of waiting, in milliseconds.
 */
export function createVmLocks(secondMs = 1000): VmLocks {
  const locks = new Map<number, LockState>()
  const lockOf = (vmid: number): LockState => {
    const lock = locks.get(vmid) ?? { shared: 0, exclusive: false, queue: [] }
    locks.set(vmid, lock)
    return lock
  }
  const withLock =
    (mode: Waiter['mode']) =>
    async <T,>(vmid: number, seconds: number, work: () => Promise<T>): Promise<T> => {
      const lock = lockOf(vmid)
      if (lock.queue.length === 0 && isFree(lock, mode)) take(lock, mode)
      else await wait(lock, mode, vmid, seconds * secondMs)
      try {
        return await work()
      } finally {
        give(lock, mode)
      }
    }
  return { exclusive: withLock('exclusive'), shared: withLock('shared') }
}
