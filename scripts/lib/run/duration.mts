import { usageError } from './command-line.mts'

export const DAY_MS = 24 * 60 * 60 * 1000

/** Word for a number of days without an end. */
export const NEVER = 'never'

/** Number of days; infinite for `never`. */
export function daysOf(days: number | typeof NEVER): number {
  return days === NEVER ? Number.POSITIVE_INFINITY : days
}

/** Converts milliseconds to the unit of the chain: whole seconds since 1970. */
export function unixSeconds(ms: number): number {
  return Math.floor(ms / 1000)
}

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS } as const

/** Reads `30d`, `12h`, `90m` or `45s` as milliseconds. @throws ProxmintError (usage) that names the option. */
export function durationMs(
  spec: { name: string },
  option: string,
  text: string | undefined,
): number | undefined {
  if (text === undefined) return undefined
  const match = /^(\d{1,6})([smhd])$/.exec(text)
  if (match === null) {
    throw usageError(
      spec,
      `option \`--${option}\` takes a duration such as 30d, 12h, 90m or 45s, not \`${text}\``,
    )
  }
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
}

/** Reads a duration as Terraform and Go write it, `1h30m`, as milliseconds. */
export function goDurationMs(text: string): number {
  return [...text.matchAll(/(\d+)([smh])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit as 's' | 'm' | 'h'],
    0,
  )
}
