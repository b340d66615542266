import type { TemplateVersion } from './version.mts'

interface WantedVersion {
  /** SHA-256 over all inputs. */
  digest: string
  /** Nodes that need a copy. */
  places: { node: string }[]
  /** Highest age in milliseconds; undefined: any age. */
  maxAgeMs: number | undefined
  now: Date
}

/**
 * Reason to build a family under `--if-changed`; undefined if the version is up to date.
 * @param version the current one, or a candidate.
 * @param describeChanges lists in words which inputs differ.
 */
export function reasonToBuild(
  version: TemplateVersion | null,
  { digest, places, maxAgeMs, now }: WantedVersion,
  describeChanges: (before: TemplateVersion) => string[],
): string | undefined {
  if (version === null) return 'there is no current version'
  if (version.revoked !== undefined) return `${version.name} is revoked: ${version.revoked.reason}`
  if (version.digest !== digest) return describeChanges(version).join(', ')
  const missing = places.filter(place => !version.copies.some(copy => copy.node === place.node))
  if (missing.length > 0)
    return `${version.name} has no copy on ${missing.map(place => place.node).join(', ')}`
  const ageMs = now.getTime() - Date.parse(version.builtAt)
  if (maxAgeMs !== undefined && ageMs > maxAgeMs)
    return `${version.name} was built on ${version.builtAt.slice(0, 10)}, longer ago than allowed`
  return undefined
}
