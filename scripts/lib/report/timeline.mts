import type { Entry } from '../registry/entry.mts'
import { counted } from '../run/counted.mts'

const dayMs = 24 * 60 * 60 * 1000
/** Days between two marks of the scale; the first that makes few enough is taken. */
const tickDays = [1, 2, 7, 14, 28]
const mostTicks = 8

/** VMs beside each other in time. All positions are per cent of the whole width. */
export interface Timeline {
  now: number
  ticks: { position: number; label: string }[]
  rows: TimelineRow[]
}

export interface TimelineRow {
  name: string
  phase: Entry['phase']
  vmid: number
  address: string
  owner: string | null
  purpose: string
  /** ISO 8601. */
  expiresAt: string
  /** `in 12 days`. */
  expires: string
  /** From its reservation to its expiry, and the grace behind it; cut off where the scale ends. */
  start: number
  end: number
  graceEnd: number
  /** The expiry is further away than the scale shows. */
  beyond: boolean
  failure: string | undefined
}

/** By expiry, the next first. At most 30 days back and 90 ahead. */
export function timelineOf(entries: Entry[], now: Date, graceDays: number): Timeline {
  const scale = scaleOf(entries, now.getTime(), graceDays)
  const sorted = entries.toSorted((a, b) => a.expiresAt.localeCompare(b.expiresAt))
  return {
    now: positionOn(scale, now.getTime()),
    ticks: ticksOf(scale),
    rows: sorted.map(entry => rowOf(entry, scale, now, graceDays)),
  }
}

/** Milliseconds since 1970. */
interface Scale {
  from: number
  to: number
}

function scaleOf(entries: Entry[], now: number, graceDays: number): Scale {
  const begins = entries.map(({ createdAt }) => Date.parse(createdAt))
  const ends = entries.map(({ expiresAt }) => Date.parse(expiresAt) + graceDays * dayMs)
  return {
    from: Math.max(Math.min(now - dayMs, ...begins), now - 30 * dayMs),
    to: Math.min(Math.max(now + 7 * dayMs, ...ends), now + 90 * dayMs),
  }
}

function positionOn({ from, to }: Scale, at: number): number {
  const position = (100 * (at - from)) / (to - from)
  return Number(Math.min(100, Math.max(0, position)).toFixed(2))
}

function ticksOf(scale: Scale): Timeline['ticks'] {
  const days = (scale.to - scale.from) / dayMs
  const step = tickDays.find(one => days / one <= mostTicks) ?? tickDays.at(-1)!
  const first = Math.ceil(scale.from / dayMs) * dayMs
  const count = Math.floor((scale.to - first) / (step * dayMs)) + 1
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * step * dayMs
    return { position: positionOn(scale, at), label: dayName(new Date(at)) }
  })
}

const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

function dayName(date: Date): string {
  return dayFormat.format(date)
}

function rowOf(entry: Entry, scale: Scale, now: Date, graceDays: number): TimelineRow {
  const { name, phase, vmid, address, owner, purpose, expiresAt, failure } = entry
  const expiry = Date.parse(expiresAt)
  return {
    name,
    phase,
    vmid,
    address,
    owner,
    purpose,
    expiresAt,
    expires: daysUntil(expiry, now),
    start: positionOn(scale, Date.parse(entry.createdAt)),
    end: positionOn(scale, expiry),
    graceEnd: positionOn(scale, expiry + graceDays * dayMs),
    beyond: expiry > scale.to,
    failure: failure === null ? undefined : `${failure.step} failed: ${failure.why}`,
  }
}

/** `in 3 days`, `today`, `2 days ago`. */
export function daysUntil(at: number, now: Date): string {
  const days = Math.round((at - now.getTime()) / dayMs)
  if (days === 0) return 'today'
  const many = counted(Math.abs(days), 'day')
  return days > 0 ? `in ${many}` : `${many} ago`
}
