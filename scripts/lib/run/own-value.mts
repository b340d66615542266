/**
 * Looks up a key that somebody typed. A plain `map[key]` finds `constructor` and `__proto__` in every object.
 * @returns undefined if the map itself has no such key.
 */
export function ownValue<T>(map: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined
}
