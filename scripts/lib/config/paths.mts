/** Values at paths of objects: `cloud_init.username`. */

/** Returns the value, or undefined where the path leads to nothing. */
export function valueAt(from: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], from)
}

/** Builds one object of values and their paths. */
export function nested(values: Iterable<readonly [path: string, value: unknown]>): Record<string, unknown> {
  const all: Record<string, unknown> = {}
  for (const [path, value] of values) {
    const keys = path.split('.')
    const last = keys.pop()!
    let inner = all
    for (const key of keys) {
      inner[key] ??= {}
      inner = inner[key] as Record<string, unknown>
    }
    inner[last] = value
  }
  return all
}
