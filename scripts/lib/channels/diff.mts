import { changedInputs } from '../packer/input-digest.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { familyIn } from '../templates/channels.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { type PackageChanges, packageChanges, readPackages } from '../templates/packages.mts'
import {
  type Channel,
  channels,
  type FamilyVersions,
  type TemplateVersion,
  versionsOf,
} from '../templates/version.mts'

interface VersionDiff {
  os: string
  from: string
  to: string
  /** Phrases: `file debian.pkr.hcl changed`. */
  inputs: string[]
  /** Null if the list of packages of one version is missing. */
  packages: PackageChanges | null
}

/** Compares two versions of a family. @param from Channel or name of a version. @param to Like `from`. */
export async function diffVersions(os: string, from: string, to: string): Promise<VersionDiff> {
  const lockfile = lockfilePath()
  const family = familyIn(await readLockfile(lockfile), os)
  const [before, after] = [pick(os, family, from), pick(os, family, to)]
  const [old, now] = [await readPackages(lockfile, before.name), await readPackages(lockfile, after.name)]
  return {
    os,
    from: before.name,
    to: after.name,
    inputs: changedInputs(before.inputs, after.inputs),
    packages: old === undefined || now === undefined ? null : packageChanges(old, now),
  }
}

function pick(os: string, family: FamilyVersions, wanted: string): TemplateVersion {
  const isChannel = (channels as readonly string[]).includes(wanted)
  const version = isChannel
    ? family[wanted as Channel]
    : versionsOf(family).find(candidate => candidate.name === wanted)
  if (version !== null && version !== undefined) return version
  const known = versionsOf(family).map(({ name }) => name)
  const what = isChannel
    ? `${wanted} version`
    : `version ${wanted}${didYouMean(wanted, [...channels, ...known])}`
  throw new ProxmintError(`${os} has no ${what}`, {
    facts: { versions: known.join(', ') },
    hint: `use ${channels.join(', ')} or the name of a version`,
    exitCode: exitCodes.usage,
  })
}

/** Text of the differences, a line each. */
export function formatDiff({ from, to, inputs, packages }: VersionDiff): string {
  const lines = [`${from} -> ${to}`, ...inputs.map(input => `  ${input}`)]
  if (inputs.length === 0) lines.push('  built from the same inputs')
  if (packages === null) return [...lines, '  packages: the list of one version is missing'].join('\n')
  const { added, removed, changed } = packages
  lines.push(
    ...added.map(name => `+ ${name}`),
    ...removed.map(name => `- ${name}`),
    ...changed.map(name => `~ ${name}`),
  )
  if (added.length + removed.length + changed.length === 0) lines.push('  the same packages')
  return lines.join('\n')
}
