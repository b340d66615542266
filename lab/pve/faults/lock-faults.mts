import type { Faults } from '../core/fault.mts'
import { lockTimeout, type VmLocks } from '../core/vm-locks.mts'
import { operation } from './operation.mts'

type Lock = VmLocks['exclusive']

/** Locks that time out where a fault says so, as if somebody else held them all the while. */
export function lockFaults(locks: VmLocks, faults: Faults): VmLocks {
  const guarded =
    (lock: Lock): Lock =>
    async (vmid, seconds, work) => {
      const fault = faults.due('lock-timeout', { vmid })
      if (fault) {
        await faults.wait(fault.seconds ?? seconds)
        throw lockTimeout(vmid)
      }
      return lock(vmid, seconds, () => {
        const doing = operation()
        if (doing) doing.locked = true
        return work()
      })
    }
  return { exclusive: guarded(locks.exclusive), shared: guarded(locks.shared) }
}
