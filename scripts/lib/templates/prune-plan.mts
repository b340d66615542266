import { counted } from '../run/counted.mts'
import { DAY_MS } from '../run/duration.mts'
import { channelOf, type Families, type TemplateVersion, versionsOf } from './version.mts'

/** Use of a version, with its user in words: `VM 105 (web), a linked clone`. */
export interface VersionUse {
  version: string
  by: string
}

interface PruneWanted {
  /** Names of the families to prune. */
  families: string[]
  /** Number of the newest versions that stay in each family. */
  keep: number
  /** Younger versions stay. In milliseconds. */
  minAgeMs: number
  now: Date
}

export interface PrunePlan {
  remove: { os: string; version: TemplateVersion }[]
  /** Versions that stay, with the reason. */
  keep: { os: string; version: string; reason: string }[]
}

/** Plans which versions are removed, and why each other version stays; pure. */
export function planPrune(locked: Families, uses: VersionUse[], wanted: PruneWanted): PrunePlan {
  const plan: PrunePlan = { remove: [], keep: [] }
  for (const os of wanted.families) {
    const family = locked[os]
    if (family === undefined) continue
    for (const [index, version] of versionsOf(family).entries()) {
      const channel = channelOf(family, version.name)
      const reason =
        channel === undefined ? reasonToKeep(version, index, uses, wanted) : `it is the ${channel} version`
      if (reason === undefined) plan.remove.push({ os, version })
      else plan.keep.push({ os, version: version.name, reason })
    }
  }
  return plan
}

function reasonToKeep(
  { name, builtAt }: TemplateVersion,
  index: number,
  uses: VersionUse[],
  { keep, minAgeMs, now }: PruneWanted,
): string | undefined {
  const users = uses.filter(use => use.version === name).map(use => use.by)
  if (users.length > 0) return `used by ${users.join('; ')}`
  if (index < keep) return keep === 1 ? 'it is the newest' : `it is one of the newest ${keep}`
  const ageMs = now.getTime() - Date.parse(builtAt)
  if (ageMs < minAgeMs) return `it is ${days(ageMs)} old, younger than ${days(minAgeMs)}`
  return undefined
}

function days(ms: number): string {
  const count = Math.floor(ms / DAY_MS)
  if (count === 0) return 'less than a day'
  return counted(count, 'day')
}
