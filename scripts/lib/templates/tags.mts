import { channels } from './version.mts'

/** What the tags of a VM template say. */
interface TagMeaning {
  site: string
  os: string
  digest: string
  /** A channel, `revoked` or `retired`. */
  mark: string
}

const marks: readonly string[] = [...channels, 'revoked', 'retired']

/**
 * The tags a VM template is to carry, or undefined where it carries them. Tags of others stay; a mark that is
 * not its own any more goes.
 */
export function mirroredTags(
  present: string[],
  { site, os, digest, mark }: TagMeaning,
): string[] | undefined {
  const own = [`proxmint-${site}`, os, digest.slice(0, 8), mark]
  const others = present.filter(tag => tag !== '' && !own.includes(tag) && !marks.includes(tag))
  const wanted = [...own, ...others]
  const same = wanted.length === present.length && wanted.every(tag => present.includes(tag))
  return same ? undefined : wanted
}
