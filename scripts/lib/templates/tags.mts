import { channels } from './version.mts'

/** Tags of a VM template in Proxmox. */

/** Meaning of the tags. */
interface TagMeaning {
  site: string
  os: string
  digest: string
  /** Channel, `revoked` or `retired`. */
  mark: string
}

const MARKS: readonly string[] = [...channels, 'revoked', 'retired']

/**
 * Tags that a VM template should have; undefined if it has them. Foreign tags stay, and an old mark is removed.
 */
export function mirroredTags(
  present: string[],
  { site, os, digest, mark }: TagMeaning,
): string[] | undefined {
  const own = [`proxmint-${site}`, os, digest.slice(0, 8), mark]
  const others = present.filter(tag => tag !== '' && !own.includes(tag) && !MARKS.includes(tag))
  const wanted = [...own, ...others]
  const same = wanted.length === present.length && wanted.every(tag => present.includes(tag))
  return same ? undefined : wanted
}
