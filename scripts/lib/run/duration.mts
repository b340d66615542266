import { usageError } from './command-line.mts'

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `30d`, `12h`, `90m` or `45s` in milliseconds. @throws ProxmintError (usage) naming the option. */
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
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]
}
