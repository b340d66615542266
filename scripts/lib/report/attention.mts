import { byExpiry, expiryMs, isExpired, nextDue, SOON_MS } from '../registry/due.mts'
import type { Entry } from '../registry/entry.mts'
import { counted } from '../run/counted.mts'
import { DAY_MS } from '../run/duration.mts'
import { type FamilyVersions, revokedCurrent } from '../templates/version.mts'
import type { Reconciled, ReportFacts } from './facts.mts'
import type { PoolMap } from './pools.mts'
import { daysUntil } from './timeline.mts'

/** Lists the faults that a person should look at first, one sentence each. */
export function attentionOf(
  { now, pools, families, entries, reconciled }: ReportFacts,
  maps: PoolMap[],
): string[] {
  return [
    ...Object.entries(families).flatMap(([os, family]) => ofFamily(os, family)),
    ...entries.flatMap(ofFailure),
    ...entries.toSorted(byExpiry).flatMap(entry => ofExpiry(entry, now, pools.graceDays)),
    ...maps.flatMap(ofPool),
    ...ofReconciled(reconciled),
  ]
}

function ofFamily(os: string, { current }: FamilyVersions): string[] {
  if (current === null) return [`${os} has no current version: no VM can be made from it`]
  const untested = `${current.name}, the current version of ${os}, was never tested`
  return [...revokedCurrent(os, current), ...(current.test === null ? [untested] : [])]
}

function ofFailure({ name, failure }: Entry): string[] {
  return failure === null ? [] : [`${name}: ${failure.step} failed: ${failure.why}`]
}

/** Reports what `gc` does to a VM within the next days, while it can still be extended. */
function ofExpiry(entry: Entry, now: Date, graceDays: number): string[] {
  const next = nextDue(entry, graceDays * DAY_MS)
  if (next === undefined || next.at > now.getTime() + SOON_MS) return []
  const { name } = entry
  const expiry = expiryMs(entry)
  const what = isExpired(entry, now)
    ? `${name} expired ${daysUntil(expiry, now)}`
    : `${name} expires ${daysUntil(expiry, now)}`
  const when = next.at <= now.getTime() ? '' : ` ${daysUntil(next.at, now)}`
  return [`${what}; gc will ${next.due} it${when}`]
}

function ofPool({ name, taken, free, outside }: PoolMap): string[] {
  const isAlmostFull = free * 10n < BigInt(taken) + free
  const left = `the pool ${name} has ${free} free ${free === 1n ? 'address' : 'addresses'} left`
  return [
    ...(isAlmostFull ? [left] : []),
    ...outside.map(vm => `${vm} has an address that the pool ${name} does not have any more`),
  ]
}

function ofReconciled(reconciled: Reconciled): string[] {
  if ('unknown' in reconciled) return [`Proxmox could not be asked: ${reconciled.unknown}`]
  const { length } = reconciled.findings
  if (length === 0) return []
  const times = length === 1 ? 'once' : counted(length, 'time')
  return [`registry, folders, Proxmox and chain contradict each other ${times}`]
}
