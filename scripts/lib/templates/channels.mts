/** Changes of the lockfile, pure: each function takes all families and returns the changed ones. */

import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean, nearest } from '../run/nearest.mts'
import { ownValue } from '../run/own-value.mts'
import {
  type Families,
  type FamilyVersions,
  noVersions,
  type TemplateVersion,
  type TestResult,
  versionsOf,
} from './version.mts'

/** Finds the versions of a family. @throws ProxmintError (usage) if it has none. */
export function familyIn(families: Families, os: string): FamilyVersions {
  const family = ownValue(families, os)
  if (family !== undefined) return family
  const close = nearest(os, Object.keys(families))
  throw new ProxmintError(
    `there is no version of ${os}${close === undefined ? '' : `; did you mean ${close}?`}`,
    {
      facts: { 'families with versions': Object.keys(families).join(', ') || 'none' },
      hint: close === undefined ? 'zx scripts/templates.mts list' : `zx scripts/build.mts ${close}`,
      exitCode: exitCodes.usage,
    },
  )
}

/** Adds a new candidate and retires the old one. @throws ProxmintError if a version of that name exists. */
export function addCandidate(families: Families, os: string, version: TemplateVersion): Families {
  const family = ownValue(families, os) ?? noVersions
  if (versionsOf(family).some(known => known.name === version.name)) {
    throw new ProxmintError(`${version.name} exists already: two runs built it at the same time`, {
      hint: 'run the build again: it gets another name',
    })
  }
  return { ...families, [os]: retire({ ...family, candidate: version }, family.candidate) }
}

interface Promotion {
  /** Promotes a version that was never tested. A version that failed its test is never promoted. */
  untested: boolean
}

/** Makes the candidate current and the current version previous. @throws ProxmintError if it may not be promoted. */
export function promote(families: Families, os: string, { untested }: Promotion): Families {
  const family = familyIn(families, os)
  const { current, previous, candidate } = family
  if (candidate === null) {
    throw new ProxmintError(`${os} has no candidate to promote`, {
      facts: { current: current?.name ?? 'none' },
      hint: `zx scripts/build.mts ${os} --no-promote makes one`,
    })
  }
  requirePromotable(os, candidate, untested)
  const promoted = { ...family, current: candidate, previous: current, candidate: null }
  return { ...families, [os]: retire(promoted, previous) }
}

function requirePromotable(os: string, { name, test, revoked }: TemplateVersion, untested: boolean): void {
  if (revoked !== undefined)
    throw revokedVersion(name, revoked.reason, `build a new one: zx scripts/build.mts ${os}`)
  if (test?.passed === true || (test === null && untested)) return
  if (test === null) {
    throw new ProxmintError(`${name} was never tested`, {
      hint: `build it with its acceptance test: zx scripts/build.mts ${os}; or promote it untested: zx scripts/templates.mts promote ${os} --untested`,
    })
  }
  const failed = test.checks.filter(check => !check.passed).map(check => check.name)
  throw new ProxmintError(`${name} failed its acceptance test`, {
    facts: { failed: failed.join(', ') },
    hint: `correct the template and build again: zx scripts/build.mts ${os}`,
  })
}

/** Exchanges the previous and the current version. @throws ProxmintError if there is none, or it is revoked. */
export function rollback(families: Families, os: string): Families {
  const family = familyIn(families, os)
  const { current, previous } = family
  if (previous === null) {
    throw new ProxmintError(`${os} has no previous version to go back to`, {
      facts: { current: current?.name ?? 'none' },
      hint: 'zx scripts/templates.mts list',
    })
  }
  if (previous.revoked !== undefined) {
    const hint = `build a new version: zx scripts/build.mts ${os}`
    throw revokedVersion(previous.name, previous.revoked.reason, hint)
  }
  return { ...families, [os]: { ...family, current: previous, previous: current } }
}

function revokedVersion(name: string, reason: string, hint: string): ProxmintError {
  return new ProxmintError(`${name} is revoked`, { facts: { reason }, hint })
}

/** Marks a version as bad. It stays in its channel, but no new VM is created from it. */
export function revoke(families: Families, name: string, revoked: { reason: string; at: string }): Families {
  const os = familyOfVersion(families, name)
  return changeVersions(families, os, version => (version.name === name ? { ...version, revoked } : version))
}

/** Finds the family of a version. @throws ProxmintError (usage) for an unknown version. */
function familyOfVersion(families: Families, name: string): string {
  const names = Object.entries(families).flatMap(([os, family]) =>
    versionsOf(family).map(version => ({ os, name: version.name })),
  )
  const found = names.find(known => known.name === name)
  if (found !== undefined) return found.os
  const meant = didYouMean(
    name,
    names.map(known => known.name),
  )
  throw new ProxmintError(`unknown version ${name}${meant}`, {
    hint: 'zx scripts/templates.mts list',
    exitCode: exitCodes.usage,
  })
}

/** Sets the result of the acceptance test of a version. */
export function recordTest(families: Families, name: string, test: TestResult): Families {
  const os = familyOfVersion(families, name)
  return changeVersions(families, os, version => (version.name === name ? { ...version, test } : version))
}

/** Removes a retired version from the lockfile, after its VM templates were deleted. */
export function forget(families: Families, os: string, name: string): Families {
  const family = familyIn(families, os)
  return {
    ...families,
    [os]: { ...family, retired: family.retired.filter(version => version.name !== name) },
  }
}

function retire(family: FamilyVersions, version: TemplateVersion | null): FamilyVersions {
  return version === null ? family : { ...family, retired: [version, ...family.retired] }
}

function changeVersions(
  families: Families,
  os: string,
  change: (version: TemplateVersion) => TemplateVersion,
): Families {
  const { current, previous, candidate, retired } = familyIn(families, os)
  const changed: FamilyVersions = {
    current: current && change(current),
    previous: previous && change(previous),
    candidate: candidate && change(candidate),
    retired: retired.map(change),
  }
  return { ...families, [os]: changed }
}
