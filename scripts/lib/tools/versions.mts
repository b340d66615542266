/** The first `major.minor[.patch]` in a program's version output, without a leading `v`. */
export function versionIn(output: string): string | undefined {
  return /(?<![\d.])\d+\.\d+(?:\.\d+)?/.exec(output)?.[0]
}

/** Whether `version` is `minimum` or newer, compared number by number. */
export function isAtLeast(version: string, minimum: string): boolean {
  const [have, need] = [numbers(version), numbers(minimum)]
  for (const [index, wanted] of need.entries()) {
    const difference = (have[index] ?? 0) - wanted
    if (difference !== 0) return difference > 0
  }
  return true
}

const numbers = (version: string): number[] => version.split('.').map(Number)
