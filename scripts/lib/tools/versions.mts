/** First `major.minor[.patch]` in a program's output, without a leading `v`. */
export function versionIn(output: string): string | undefined {
  return /(?<![\d.])\d+\.\d+(?:\.\d+)?/.exec(output)?.[0]
}

/** Compares two versions number by number. @returns True if `version` is `minimum` or newer. */
export function isAtLeast(version: string, minimum: string): boolean {
  const [have, need] = [numbers(version), numbers(minimum)]
  for (const [index, wanted] of need.entries()) {
    const difference = (have[index] ?? 0) - wanted
    if (difference !== 0) return difference > 0
  }
  return true
}

function numbers(version: string): number[] {
  return version.split('.').map(Number)
}
