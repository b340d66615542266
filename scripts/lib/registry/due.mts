import type { Entry } from './entry.mts'

/** What `gc` is to do with a VM. */
export type Due = 'suspend' | 'power off' | 'destroy'

/** Whether its time is over. */
export function isExpired({ expiresAt }: Entry, now: Date): boolean {
  return Date.parse(expiresAt) <= now.getTime()
}

/**
 * What is due for an entry, if anything. Expired ones are suspended first, and destroyed when they have been suspended
 * and expired for the grace; those that never ran have nothing to suspend, and keep their address for as long.
 * @param runs whether its VM is running in Proxmox.
 */
export function dueFor(entry: Entry, runs: boolean, now: Date, graceMs: number): Due | undefined {
  if (!isExpired(entry, now)) return undefined
  if (entry.phase === 'active') return 'suspend'
  // One that was renewed while it was suspended has its grace after the new expiry.
  const since = Math.max(suspendedAt(entry), Date.parse(entry.expiresAt))
  if (now.getTime() - since >= graceMs) return 'destroy'
  const isToBeOff = entry.phase === 'suspended' || entry.replaces !== undefined
  return isToBeOff && runs ? 'power off' : undefined
}

/** When it was suspended the last time, in ms; 0 of one that is not, or that was imported without history. */
function suspendedAt({ phase, history }: Entry): number {
  const event = history.findLast(({ what }) => what === 'suspended')
  return phase !== 'suspended' || event === undefined ? 0 : Date.parse(event.at)
}
