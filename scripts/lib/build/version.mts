import type { AcceptanceReport } from '../acceptance/accept-template.mts'
import { mirror } from '../channels/mirror.mts'
import { recordVersion } from '../channels/promote.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { revisionOf } from '../templates/git.mts'
import { lockfilePath } from '../templates/lockfile.mts'
import { writePackages } from '../templates/packages.mts'
import type { TemplateCopy, TemplateVersion, TestResult } from '../templates/version.mts'
import { type BuiltCopy, buildCopy, type PlacedJob, releaseCopies, removeCopies } from './copy.mts'
import type { Builder } from './job.mts'
import type { BuildOptions } from './options.mts'
import { withRetries } from './retry.mts'
import { joinReports, testCopy } from './test.mts'

export interface BuiltVersion {
  /** Of the first copy. */
  vmid: number
  /** Packer's, of the first copy. */
  log: string
  copies: TemplateCopy[]
  channel: 'current' | 'candidate'
  test: TestResult | null
}

/**
 * Builds a copy per place, tests each, and writes the version down. Until then its copies are leftovers: a failure
 * removes them at once, a crash leaves that to the next run.
 */
export async function buildVersion(
  builder: Builder,
  placed: PlacedJob[],
  signal: AbortSignal,
): Promise<BuiltVersion> {
  const { connection, options } = builder
  const start = performance.now()
  const made = await makeCopies(builder, placed, signal)
  const built = made.map(one => one.built)
  try {
    checkpoint('tested')
    const seconds = Math.round((performance.now() - start) / 1000)
    const version = await record(builder, placed, made, seconds)
    await releaseCopies(connection, built)
    checkpoint('released')
    await mirror(connection)
    const [{ copy, log }] = built as [BuiltCopy]
    const channel = isPromoted(options, version) ? 'current' : 'candidate'
    return { vmid: copy.vmid, log, copies: version.copies, channel, test: version.test }
  } catch (error) {
    await removeCopies(connection, built)
    throw error
  }
}

/** What was not tested is never promoted here. */
function isPromoted({ promote }: BuildOptions, { test }: TemplateVersion): boolean {
  return promote && test !== null
}

/** Writes the packages, then the version. */
async function record(
  { options }: Builder,
  placed: PlacedJob[],
  made: MadeCopy[],
  seconds: number,
): Promise<TemplateVersion> {
  const nodes = placed.map(one => one.place.node)
  const reports = made.flatMap(one => one.report ?? [])
  const tested = options.test ? joinReports(nodes, reports) : undefined
  const built = made.map(one => one.built)
  const version = await versionOf(placed[0]!, built, tested?.result ?? null, seconds)
  await writePackages(lockfilePath(), version.name, tested?.packages ?? [])
  await recordVersion(placed[0]!.job.os, version, isPromoted(options, version))
  return version
}

/** All or none: where one place fails, what the others made is removed. */
async function makeCopies(builder: Builder, placed: PlacedJob[], signal: AbortSignal): Promise<MadeCopy[]> {
  const results = await Promise.allSettled(
    placed.map(one => builder.atPlace(one.place, () => makeCopy(builder, one, signal))),
  )
  const made = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find(result => result.status === 'rejected')
  if (failed === undefined) return made
  await removeCopies(
    builder.connection,
    made.map(one => one.built),
  )
  throw failed.reason
}

interface MadeCopy {
  built: BuiltCopy
  report: AcceptanceReport | undefined
}

/** Builds and tests one copy; what fails its test is removed. */
async function makeCopy(
  { connection, options }: Builder,
  placed: PlacedJob,
  signal: AbortSignal,
): Promise<MadeCopy> {
  const { os } = placed.job
  const built = await withRetries(`build ${os}`, () => buildCopy(connection, placed, signal), { signal })
  if (!options.test) return { built, report: undefined }
  try {
    const test = () => testCopy(connection, placed, built, signal)
    return { built, report: await withRetries(`test ${os}`, test, { signal }) }
  } catch (error) {
    await removeCopies(connection, [built])
    throw error
  }
}

async function versionOf(
  { job, name, packer }: PlacedJob,
  built: BuiltCopy[],
  test: TestResult | null,
  buildSeconds: number,
): Promise<TemplateVersion> {
  return {
    name,
    digest: job.digests.digest,
    copies: built.map(({ copy }) => copy),
    image: job.image,
    revision: await revisionOf([job.template.folder]),
    inputs: job.digests.inputs,
    tools: { packer: packer.version, plugin: packer.plugin ?? null },
    builtAt: new Date().toISOString(),
    buildSeconds,
    test,
  }
}
