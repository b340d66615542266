/**
 * Makes a map by names that clients choose, of the entries of other maps. It has no prototype: a lookup of `constructor`
 * must find nothing unless there is an entry of that name.
 */
export function byName<T>(...maps: (Readonly<Record<string, T>> | undefined)[]): Record<string, T> {
  return Object.assign(Object.create(null), ...maps)
}
