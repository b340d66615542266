import { joinReports } from '../acceptance/record-test.mts'
import { mirror } from '../channels/mirror.mts'
import { recordVersion } from '../channels/promote.mts'
import type { Place } from '../packer/family.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { revisionOf } from '../templates/git.mts'
import { lockfilePath } from '../templates/lockfile.mts'
import { writePackages } from '../templates/packages.mts'
import type { TemplateVersion } from '../templates/version.mts'
import { buildCopy, releaseCopies, removeCopies } from './copy.mts'
import type { Build, BuildOptions, BuiltCopy, BuiltVersion } from './records.mts'
import { withRetries } from './retry.mts'
import { testCopy } from './test.mts'

/**
 * Builds a copy per place, tests each, and records the version. Until then its copies are leftovers: a failure
 * removes them at once, and after a crash the next run does.
 */
export async function buildVersion(build: Build): Promise<BuiltVersion> {
  const { connection, options } = build
  const start = performance.now()
  const built = await makeCopies(build)
  try {
    checkpoint('tested')
    const seconds = Math.round((performance.now() - start) / 1000)
    const version = await record(build, built, seconds)
    await releaseCopies(connection, built)
    checkpoint('released')
    await mirror(connection)
    const { copy, log } = built[0]!
    const channel = isPromoted(options, version) ? 'current' : 'candidate'
    return { vmid: copy.vmid, log, copies: version.copies, channel, test: version.test }
  } catch (error) {
    await removeCopies(connection, built)
    throw error
  }
}

/** Whether the version becomes current: one that was not tested never does. */
function isPromoted({ promote }: BuildOptions, { test }: TemplateVersion): boolean {
  return promote && test !== null
}

/** Writes the packages, then the version. */
async function record(build: Build, built: BuiltCopy[], seconds: number): Promise<TemplateVersion> {
  const version = await versionOf(build, built, seconds)
  await writePackages(lockfilePath(), version.name, built[0]!.report?.packages ?? [])
  await recordVersion(build.os, version, isPromoted(build.options, version))
  return version
}

/** Makes all copies or none: if one place fails, the copies of the others are removed. */
async function makeCopies(build: Build): Promise<BuiltCopy[]> {
  const results = await Promise.allSettled(
    build.places.map(place => build.atPlace(place, () => makeCopy(build, place))),
  )
  const made = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find(result => result.status === 'rejected')
  if (failed === undefined) return made
  await removeCopies(build.connection, made)
  throw failed.reason
}

/** Builds and tests one copy. A copy that fails its test is removed. */
async function makeCopy(build: Build, place: Place): Promise<BuiltCopy> {
  const { os, options, signal } = build
  const built = await withRetries(`build ${os}`, () => buildCopy(build, place), { signal })
  if (!options.test) return built
  try {
    const report = await withRetries(`test ${os}`, () => testCopy(build, built), { signal })
    return { ...built, report }
  } catch (error) {
    await removeCopies(build.connection, [built])
    throw error
  }
}

async function versionOf(build: Build, built: BuiltCopy[], buildSeconds: number): Promise<TemplateVersion> {
  const { name, digests, image, firmware, template, packer } = build
  return {
    name,
    digest: digests.digest,
    copies: built.map(({ copy }) => copy),
    image,
    firmware,
    revision: await revisionOf([template.folder]),
    inputs: digests.inputs,
    tools: { packer: packer.version, plugin: packer.plugin ?? null },
    builtAt: new Date().toISOString(),
    buildSeconds,
    test: joinReports(
      built.flatMap(({ copy, report }) => (report === undefined ? [] : [{ node: copy.node, report }])),
    ),
  }
}
