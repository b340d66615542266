import type { TemplateVersion } from './version.mts'

export interface Wanted {
  /** SHA-256 over all inputs. */
  digest: string
  /** Where copies are wanted. */
  places: { node: string }[]
  /** In milliseconds; undefined: of any age. */
  maxAgeMs: number | undefined
  now: Date
}

/**
 * Why a family must be built although only changes were asked for.
 * @param describeChanges says in words which inputs differ.
 * @returns undefined where its current version will do.
 */
export function reasonToBuild(
  current: TemplateVersion | null,
  { digest, places, maxAgeMs, now }: Wanted,
  describeChanges: (before: TemplateVersion) => string[],
): string | undefined {
  if (current === null) return 'there is no current version'
  if (current.revoked !== undefined) return `${current.name} is revoked: ${current.revoked.reason}`
  if (current.digest !== digest) return describeChanges(current).join(', ')
  const missing = places.filter(place => !current.copies.some(copy => copy.node === place.node))
  if (missing.length > 0)
    return `${current.name} has no copy on ${missing.map(place => place.node).join(', ')}`
  const ageMs = now.getTime() - Date.parse(current.builtAt)
  if (maxAgeMs !== undefined && ageMs > maxAgeMs)
    return `${current.name} is ${Math.floor(ageMs / 86_400_000)} days old`
  return undefined
}
