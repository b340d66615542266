/** Versions of template families, as the lockfile holds them. */

import type { Firmware } from '../config/firmware.mts'

/** Version of a template family: VM templates that one build made. */
export interface TemplateVersion {
  /** Name, which its VM templates have too: `debian-20261122-61c4fd98`. */
  name: string
  /** SHA-256 over all inputs, hexadecimal. */
  digest: string
  /** VM templates, one per node and storage. */
  copies: TemplateCopy[]
  /** Image of its base VM. */
  image: { name: string; url: string | null; checksum: string | null }
  /** Firmware of its VM templates. Left out: the version is older. */
  firmware?: Firmware
  /** Commit of the build, with `-dirty` if files of the work tree differed; null outside of Git. */
  revision: string | null
  /** First 12 hexadecimal digits of the SHA-256 of each input, by its name: they show which input changed. */
  inputs: Record<string, string>
  tools: { packer: string; plugin: string | null }
  /** ISO 8601, UTC. */
  builtAt: string
  buildSeconds: number
  /** Result of the acceptance test; null if it was never tested. */
  test: TestResult | null
  revoked?: { reason: string; at: string }
}

/** A VM template in Proxmox. */
export interface TemplateCopy {
  vmid: number
  node: string
  /** Storage of its disks. */
  storage: string
  /** Random id, also in the VM's description: a VM without it belongs to somebody else. */
  buildId: string
}

/** Result of the acceptance test. */
export interface TestResult {
  passed: boolean
  at: string
  checks: { name: string; passed: boolean; detail: string }[]
}

export const channels = ['current', 'previous', 'candidate'] as const
export type Channel = (typeof channels)[number]

/** The versions of one template family. */
export interface FamilyVersions {
  /** Version that new VMs are created from. */
  current: TemplateVersion | null
  /** Version that `rollback` returns to. */
  previous: TemplateVersion | null
  /** Version that was built and not promoted yet. */
  candidate: TemplateVersion | null
  /** Versions in no channel, newest first. They are in Proxmox until `prune` removes them. */
  retired: TemplateVersion[]
}

/** Content of `config/templates.lock.json`, by name of the family. */
export type Families = Record<string, FamilyVersions>

export const noVersions: FamilyVersions = { current: null, previous: null, candidate: null, retired: [] }

/** All versions of a family, newest first. */
export function versionsOf({ current, previous, candidate, retired }: FamilyVersions): TemplateVersion[] {
  const all = [current, previous, candidate, ...retired].filter(version => version !== null)
  return all.toSorted((a, b) => b.builtAt.localeCompare(a.builtAt))
}

/**
 * Name for a new version: family, day (UTC) and eight digits of the input digest. If the name is taken, it gets a number
 * too: the same inputs may be built twice a day.
 */
export function versionName(os: string, now: Date, digest: string, taken: ReadonlySet<string>): string {
  const day = now.toISOString().slice(0, 10).replaceAll('-', '')
  const plain = `${os}-${day}-${digest.slice(0, 8)}`
  let name = plain
  for (let count = 2; taken.has(name); count++) name = `${plain}-${count}`
  return name
}

/** Channel of a version; undefined if it is in none. */
export function channelOf(family: FamilyVersions, name: string): Channel | undefined {
  return channels.find(channel => family[channel]?.name === name)
}

/** Mark of a version for people, and as a tag in Proxmox: its channel, `revoked` or `retired`. */
export function versionMark(family: FamilyVersions, version: TemplateVersion): string {
  if (version.revoked !== undefined) return 'revoked'
  return channelOf(family, version.name) ?? 'retired'
}

/** Says whether a version passed its test. */
export function testWord(test: TestResult | null): 'passed' | 'failed' | 'not tested' {
  if (test === null) return 'not tested'
  return test.passed ? 'passed' : 'failed'
}

/** Says that the current version of a family is revoked; empty if it is not. */
export function revokedCurrent(os: string, { name, revoked }: TemplateVersion): string[] {
  return revoked === undefined ? [] : [`${name}, the current version of ${os}, is revoked: ${revoked.reason}`]
}
