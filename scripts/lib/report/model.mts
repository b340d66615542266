import type { PoolConfig } from '../config/pools.mts'
import type { Divergence } from '../registry/divergence.mts'
import { isExpired } from '../registry/due.mts'
import type { Entry } from '../registry/entry.mts'
import {
  type Channel,
  channels,
  type Families,
  type TemplateVersion,
  versionMark,
  versionsOf,
} from '../templates/version.mts'
import { type PoolMap, poolMapOf } from './pools.mts'
import { type Run, runsOf } from './runs.mts'
import { daysUntil, type Timeline, timelineOf } from './timeline.mts'

/** Everything the report is made from. */
export interface ReportFacts {
  now: Date
  site: string
  families: Families
  /** Living VMs, and those that were destroyed. */
  entries: Entry[]
  archived: Entry[]
  pools: PoolConfig
  reconciled: Reconciled
}

/** What `reconcile` found, or why it could not look. */
export type Reconciled = { findings: Divergence[] } | { unknown: string }

/** The report without its looks. */
export interface ReportModel {
  site: string
  /** ISO 8601. */
  madeAt: string
  figures: Figures
  /** What a person should look at first; one sentence each. */
  attention: string[]
  families: FamilyReport[]
  timeline: Timeline
  pools: PoolMap[]
  runs: Run[]
  reconciled: Reconciled
}

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
  /** Those in a channel, in the channels' order. */
  versions: VersionReport[]
  retired: number
}

export interface VersionReport {
  name: string
  channel: Channel
  /** Why, where it is revoked. */
  revoked: string | undefined
  /** `9001 on pve`. */
  copies: string[]
  /** ISO 8601. */
  builtAt: string
  /** `12 days ago`. */
  age: string
  test: 'passed' | 'failed' | 'not tested'
  /** Names of living VMs that were made from it. */
  usedBy: string[]
}

const soonMs = 7 * 24 * 60 * 60 * 1000

/** What there is to say. */
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
  const soon = new Date(now.getTime() + soonMs)
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

function testWord(test: TemplateVersion['test']): VersionReport['test'] {
  if (test === null) return 'not tested'
  return test.passed ? 'passed' : 'failed'
}

function attentionOf({ now, families, entries, reconciled }: ReportFacts, maps: PoolMap[]): string[] {
  return [
    ...Object.entries(families).flatMap(([os, { current }]) => {
      if (current === null) return [`${os} has no current version: no VM can be made from it`]
      const { name, revoked, test } = current
      const faults = [
        ...(revoked === undefined ? [] : [`is revoked: ${revoked.reason}`]),
        ...(test === null ? ['was never tested'] : []),
      ]
      return faults.map(fault => `${name}, the current version of ${os}, ${fault}`)
    }),
    ...entries.flatMap(({ name, failure }) =>
      failure === null ? [] : [`${name}: ${failure.step} failed: ${failure.why}`],
    ),
    ...entries
      .filter(entry => entry.phase === 'active' && isExpired(entry, now))
      .map(
        ({ name, expiresAt }) =>
          `${name} expired ${daysUntil(Date.parse(expiresAt), now)}; gc will suspend it`,
      ),
    ...maps.flatMap(poolAttention),
    ...reconciledAttention(reconciled),
  ]
}

function reconciledAttention(reconciled: Reconciled): string[] {
  if ('unknown' in reconciled) return [`Proxmox could not be asked: ${reconciled.unknown}`]
  const { length } = reconciled.findings
  if (length === 0) return []
  return [
    `registry, folders, Proxmox and chain contradict each other ${length === 1 ? 'once' : `${length} times`}`,
  ]
}

function poolAttention({ name, taken, free, outside }: PoolMap): string[] {
  const isAlmostFull = free * 10n < BigInt(taken) + free
  return [
    ...(isAlmostFull
      ? [`the pool ${name} has ${free} free ${free === 1n ? 'address' : 'addresses'} left`]
      : []),
    ...outside.map(vm => `${vm} has an address that the pool ${name} does not have any more`),
  ]
}
