/** Points of time of a storage's history. The lab keeps none: only the newest point has values. */

import type { ApiObject } from '../core/route.mts'

const MINUTE = 60

/** Seconds between two points, and how many there are (PVE/RRD.pm). */
const RANGES: Record<string, readonly [seconds: number, count: number]> = {
  hour: [MINUTE, 60],
  day: [MINUTE, 1440],
  week: [30 * MINUTE, 336],
  month: [30 * MINUTE, 1440],
  year: [360 * MINUTE, 1440],
}

export const TIMEFRAMES = Object.keys(RANGES)

/** @param now seconds since the epoch. @param newest values of the last point. */
export function history(timeframe: string, now: number, newest: ApiObject): ApiObject[] {
  const [seconds, count] = RANGES[timeframe]!
  const last = Math.floor(now / seconds) * seconds
  return Array.from({ length: count }, (_, index) => {
    const time = last - (count - 1 - index) * seconds
    return index === count - 1 ? { time, ...newest } : { time }
  })
}
