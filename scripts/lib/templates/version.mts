/** What is known of a VM template that was built: one version of a template family. */
export interface TemplateVersion {
  /** `debian-20261122-61c4fd98`; also the name of its VM templates, one per place. */
  name: string
  /** SHA-256 over all inputs, hexadecimal. */
  digest: string
  /** One per node and storage it was built for. */
  copies: TemplateCopy[]
  /** The image its base VM came from. */
  image: { name: string; url: string | null; checksum: string | null }
  /** The commit it was built from, with `-dirty` where files of the work tree differed; null outside of Git. */
  revision: string | null
  /** The first 12 hexadecimal digits of a SHA-256 per input: says which of them changed. */
  inputs: Record<string, string>
  tools: { packer: string; plugin: string | null }
  /** ISO 8601, UTC. */
  builtAt: string
  buildSeconds: number
  /** Null: it was never tested. */
  test: TestResult | null
  revoked?: { reason: string; at: string }
}

/** A VM template in Proxmox. */
export interface TemplateCopy {
  vmid: number
  node: string
  /** Of its disks. */
  storage: string
  /** Stands in the VM's description: without it the VM is somebody else's. */
  buildId: string
}

/** Of the acceptance test. */
export interface TestResult {
  passed: boolean
  at: string
  checks: { name: string; passed: boolean; detail: string }[]
}

export const channels = ['current', 'previous', 'candidate'] as const
export type Channel = (typeof channels)[number]

/** The versions of one template family. */
export interface FamilyVersions {
  /** What new VMs are made from. */
  current: TemplateVersion | null
  /** What `rollback` returns to. */
  previous: TemplateVersion | null
  /** Built, and not promoted. */
  candidate: TemplateVersion | null
  /** In no channel any more, and still in Proxmox until `prune` removes them; the newest first. */
  retired: TemplateVersion[]
}

/** What `config/templates.lock.json` says, by family. */
export type Families = Record<string, FamilyVersions>

export const noVersions: FamilyVersions = { current: null, previous: null, candidate: null, retired: [] }

/** Every version of a family, in no channel too, the newest first. */
export function versionsOf({ current, previous, candidate, retired }: FamilyVersions): TemplateVersion[] {
  const all = [current, previous, candidate, ...retired].filter(version => version !== null)
  return all.toSorted((a, b) => b.builtAt.localeCompare(a.builtAt))
}

/** The channel a version is in. */
export function channelOf(family: FamilyVersions, name: string): Channel | undefined {
  return channels.find(channel => family[channel]?.name === name)
}

/** How a version is marked for a person and as a tag in Proxmox. */
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
