import { isExpired } from '../registry/due.mts'
import { DAY_MS } from '../run/duration.mts'
import {
  type Channel,
  channels,
  type TemplateVersion,
  testWord,
  versionMark,
  versionsOf,
} from '../templates/version.mts'
import { attentionOf } from './attention.mts'
import type { Reconciled, ReportFacts } from './facts.mts'
import { type PoolMap, poolMapOf } from './pools.mts'
import { type Run, runsOf } from './runs.mts'
import { daysUntil, type Timeline, timelineOf } from './timeline.mts'

/** Contents of the report, without HTML. */
export interface ReportModel {
  site: string
  /** ISO 8601. */
  madeAt: string
  figures: Figures
  /** Faults that a person should look at first, one sentence each. */
  attention: string[]
  families: FamilyReport[]
  timeline: Timeline
  pools: PoolMap[]
  runs: Run[]
  reconciled: Reconciled
}

/** Numbers at the top of the page. */
export interface Figures {
  vms: number
  active: number
  suspended: number
  /** Within the next seven days. */
  expiringSoon: number
  templates: number
  addressesTaken: number
  addressesFree: bigint
}

export interface FamilyReport {
  os: string
  /** Versions in a channel, in the order of the channels. */
  versions: VersionReport[]
  /** Number of versions in no channel. */
  retired: number
}

export interface VersionReport {
  name: string
  channel: Channel
  /** Reason of its revocation. */
  revoked: string | undefined
  /** `9001 on pve`. */
  copies: string[]
  /** ISO 8601. */
  builtAt: string
  /** `12 days ago`. */
  age: string
  test: ReturnType<typeof testWord>
  /** Names of the living VMs that were made from it. */
  usedBy: string[]
}

const SOON_MS = 7 * DAY_MS

/** Draws the contents of the report from the facts. */
export function reportModel(facts: ReportFacts): ReportModel {
  const { now, site, families, entries, archived, pools, reconciled } = facts
  const maps = Object.values(pools.pools).map(pool => poolMapOf(pool, entries))
  return {
    site,
    madeAt: now.toISOString(),
    figures: figuresOf(facts, maps),
    attention: attentionOf(facts, maps),
    families: Object.entries(families)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([os, family]) => ({
        os,
        versions: channels.flatMap(channel => {
          const version = family[channel]
          return version === null ? [] : [versionReport(version, channel, facts)]
        }),
        retired: versionsOf(family).filter(version => versionMark(family, version) === 'retired').length,
      })),
    timeline: timelineOf(entries, now, pools.graceDays),
    pools: maps,
    runs: runsOf(families, [...entries, ...archived]),
    reconciled,
  }
}

function figuresOf({ now, families, entries }: ReportFacts, maps: PoolMap[]): Figures {
  const soon = new Date(now.getTime() + SOON_MS)
  return {
    vms: entries.length,
    active: entries.filter(({ phase }) => phase === 'active').length,
    suspended: entries.filter(({ phase }) => phase === 'suspended').length,
    expiringSoon: entries.filter(entry => !isExpired(entry, now) && isExpired(entry, soon)).length,
    templates: Object.values(families).filter(({ current }) => current !== null).length,
    addressesTaken: maps.reduce((sum, { taken }) => sum + taken, 0),
    addressesFree: maps.reduce((sum, { free }) => sum + free, 0n),
  }
}

function versionReport(
  version: TemplateVersion,
  channel: Channel,
  { now, entries }: ReportFacts,
): VersionReport {
  const { name, revoked, copies, builtAt, test } = version
  return {
    name,
    channel,
    revoked: revoked?.reason,
    copies: copies.map(({ vmid, node }) => `${vmid} on ${node}`),
    builtAt,
    age: daysUntil(Date.parse(builtAt), now),
    test: testWord(test),
    usedBy: entries.filter(({ template }) => template?.version === name).map(entry => entry.name),
  }
}
