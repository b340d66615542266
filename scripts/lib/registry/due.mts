import type { Entry } from './entry.mts'

/** Action of `gc` on a VM. */
export type Due = 'suspend' | 'power off' | 'destroy'

/** Checks whether the expiry of a VM has passed. */
export function isExpired({ expiresAt }: Entry, now: Date): boolean {
  return Date.parse(expiresAt) <= now.getTime()
}

/**
 * Action that is due for an entry, if any. An expired VM is suspended first. It is destroyed when it has been suspended
 * and expired for `graceMs`. A VM that never ran cannot be suspended; it keeps its address for `graceMs` too.
 * @param runs if its VM is running in Proxmox.
 */
export function dueFor(entry: Entry, runs: boolean, now: Date, graceMs: number): Due | undefined {
  if (!isExpired(entry, now)) return undefined
  if (entry.phase === 'active') return 'suspend'
  // If the VM was extended while it was suspended, its grace begins at the new expiry.
  const since = Math.max(suspendedAt(entry), Date.parse(entry.expiresAt))
  if (now.getTime() - since >= graceMs) return 'destroy'
  const isToBeOff = entry.phase === 'suspended' || entry.replaces !== undefined
  return isToBeOff && runs ? 'power off' : undefined
}

/** Time of the last suspension (ms since epoch); 0 if the VM is not suspended or has no history. */
function suspendedAt({ phase, history }: Entry): number {
  const event = history.findLast(({ what }) => what === 'suspended')
  return phase !== 'suspended' || event === undefined ? 0 : Date.parse(event.at)
}
