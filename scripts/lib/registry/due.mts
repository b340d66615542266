import { DAY_MS, unixSeconds } from '../run/duration.mts'
import type { Entry } from './entry.mts'

/** What is due within this time is shown before it happens. */
export const SOON_MS = 7 * DAY_MS

/** Action of `gc` on a VM. */
export type Due = 'suspend' | 'power off' | 'destroy' | 'delete old disk'

type Expiring = Pick<Entry, 'expiresAt'>

/** Expiry in milliseconds since 1970; infinite for a VM that never expires. */
export function expiryMs({ expiresAt }: Expiring): number {
  return expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt)
}

/** Expiry that is so many days after `from` (ms since 1970), as an entry has it; infinite days: it never expires. */
export function expiryAfter(from: number, days: number): string | null {
  return Number.isFinite(days) ? new Date(from + days * DAY_MS).toISOString() : null
}

/** Expiry as the chain has it: Unix seconds, and 0 for a VM that never expires. */
export function chainExpiry(entry: Expiring): number {
  return entry.expiresAt === null ? 0 : unixSeconds(expiryMs(entry))
}

/** Day of the expiry: `2026-12-22`, or `never`. */
export function expiryDay({ expiresAt }: Expiring): string {
  return expiresAt === null ? 'never' : expiresAt.slice(0, 10)
}

/** Sorts the next expiry first, and names where two are equal. */
export function byExpiry(a: Entry, b: Entry): number {
  const [first, second] = [expiryMs(a), expiryMs(b)]
  return first === second ? a.name.localeCompare(b.name) : first - second
}

/** Checks whether the expiry of a VM has passed. */
export function isExpired(entry: Entry, now: Date): boolean {
  return expiryMs(entry) <= now.getTime()
}

/**
 * Action that is due for an entry, if any. An expired VM is suspended first. It is destroyed when it has been suspended
 * and expired for `graceMs`. A VM that never ran cannot be suspended; it keeps its address for `graceMs` too.
 * @param runs if its VM is running in Proxmox.
 */
export function dueFor(entry: Entry, runs: boolean, now: Date, graceMs: number): Due | undefined {
  if (!isExpired(entry, now)) return undefined
  const next = nextDue(entry, graceMs)
  if (next !== undefined && next.at <= now.getTime()) return next.due
  return isToBeOff(entry) && runs ? 'power off' : undefined
}

/** Checks whether the VM of an entry must not run. */
export function isToBeOff({ phase, replaces }: Entry): boolean {
  return phase === 'suspended' || replaces !== undefined
}

/** The next action on a VM that nobody extends, and its time (ms since 1970); undefined if it never expires. */
export function nextDue(
  entry: Entry,
  graceMs: number,
): { due: 'suspend' | 'destroy'; at: number } | undefined {
  const expiry = expiryMs(entry)
  if (!Number.isFinite(expiry)) return undefined
  if (entry.phase === 'active') return { due: 'suspend', at: expiry }
  // If the VM was extended while it was suspended, its grace begins at the new expiry.
  return { due: 'destroy', at: Math.max(suspendedAt(entry), expiry) + graceMs }
}

/** Time of the last suspension (ms since epoch); 0 if the VM is not suspended or has no history. */
function suspendedAt({ phase, history }: Entry): number {
  const event = history.findLast(({ what }) => what === 'suspended')
  return phase !== 'suspended' || event === undefined ? 0 : Date.parse(event.at)
}
