import { byExpiry, expiryMs } from '../registry/due.mts'
import type { Entry } from '../registry/entry.mts'
import { counted } from '../run/counted.mts'
import { DAY_MS } from '../run/duration.mts'

/** Days between two marks of the scale. The shortest that gives at most `MOST_TICKS` is taken. */
const TICK_DAYS = [1, 2, 7, 14, 28]
const MOST_TICKS = 8

/** VMs on one scale of time. Positions are per cent of the whole width. */
export interface Timeline {
  now: number
  ticks: { position: number; label: string }[]
  rows: TimelineRow[]
}

export interface TimelineRow {
  name: string
  phase: Entry['phase']
  /** `vm stop` powered it off. */
  isStopped: boolean
  vmid: number
  address: string
  /** Wallet. */
  owner: string | null
  /** Name for people. */
  ownerName: string | undefined
  purpose: string
  /** ISO 8601; null: never. */
  expiresAt: string | null
  /** `in 12 days`; empty for a VM that never expires. */
  expires: string
  /** Positions of reservation, expiry and end of the grace, cut off at the ends of the scale. */
  start: number
  end: number
  graceEnd: number
  /** Whether the expiry is beyond the end of the scale. */
  beyond: boolean
  failure: string | undefined
}

/** Sorts the VMs by expiry, the next first, on a scale of at most 30 days back and 90 ahead. */
export function timelineOf(entries: Entry[], now: Date, graceDays: number): Timeline {
  const scale = scaleOf(entries, now.getTime(), graceDays)
  const sorted = entries.toSorted(byExpiry)
  return {
    now: positionOn(scale, now.getTime()),
    ticks: ticksOf(scale),
    rows: sorted.map(entry => rowOf(entry, scale, now, graceDays)),
  }
}

/** Ends of the scale, in milliseconds since 1970. */
interface Scale {
  from: number
  to: number
}

function scaleOf(entries: Entry[], now: number, graceDays: number): Scale {
  const begins = entries.map(({ createdAt }) => Date.parse(createdAt))
  const ends = entries.map(entry => expiryMs(entry) + graceDays * DAY_MS)
  return {
    from: Math.max(Math.min(now - DAY_MS, ...begins), now - 30 * DAY_MS),
    to: Math.min(Math.max(now + 7 * DAY_MS, ...ends), now + 90 * DAY_MS),
  }
}

function positionOn({ from, to }: Scale, at: number): number {
  const position = (100 * (at - from)) / (to - from)
  return Number(Math.min(100, Math.max(0, position)).toFixed(2))
}

function ticksOf(scale: Scale): Timeline['ticks'] {
  const days = (scale.to - scale.from) / DAY_MS
  const step = TICK_DAYS.find(one => days / one <= MOST_TICKS) ?? TICK_DAYS.at(-1)!
  const first = Math.ceil(scale.from / DAY_MS) * DAY_MS
  const count = Math.floor((scale.to - first) / (step * DAY_MS)) + 1
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * step * DAY_MS
    return { position: positionOn(scale, at), label: dayName(new Date(at)) }
  })
}

const DAY_FORMAT = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

function dayName(date: Date): string {
  return DAY_FORMAT.format(date)
}

function rowOf(entry: Entry, scale: Scale, now: Date, graceDays: number): TimelineRow {
  const { name, phase, vmid, address, owner, ownerName, purpose, expiresAt, failure } = entry
  const expiry = expiryMs(entry)
  return {
    name,
    phase,
    isStopped: phase === 'active' && entry.stopped !== undefined,
    vmid,
    address,
    owner,
    ownerName,
    purpose,
    expiresAt,
    expires: expiresAt === null ? '' : daysUntil(expiry, now),
    start: positionOn(scale, Date.parse(entry.createdAt)),
    end: positionOn(scale, expiry),
    graceEnd: positionOn(scale, expiry + graceDays * DAY_MS),
    beyond: expiry > scale.to,
    failure: failure === null ? undefined : `${failure.step} failed: ${failure.why}`,
  }
}

/** Formats `in 3 days`, `today`, `2 days ago`. @param at milliseconds since 1970. */
export function daysUntil(at: number, now: Date): string {
  const days = Math.round((at - now.getTime()) / DAY_MS)
  if (days === 0) return 'today'
  const many = counted(Math.abs(days), 'day')
  return days > 0 ? `in ${many}` : `${many} ago`
}
