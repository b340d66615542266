import { rm } from 'node:fs/promises'
import { changedInputs } from '../packer/input-digest.mts'
import { listVms } from '../proxmox/list-vms.mts'
import { describeCommand } from '../run/exec.mts'
import type { Connection } from '../site/connect.mts'
import { reasonToBuild } from '../templates/freshness.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { versionName } from '../templates/names.mts'
import { listReservations } from '../templates/reservations.mts'
import { type FamilyVersions, noVersions, type TemplateVersion, versionsOf } from '../templates/version.mts'
import type { Dialect } from '../tools/tool.mts'
import { commandsOf, type PlacedJob, packerFolder } from './copy.mts'
import { type Builder, type BuildJob, connectionAt, prepareJob } from './job.mts'
import type { BuildOptions } from './options.mts'
import { validateWithPacker } from './packer-run.mts'
import { type BuiltVersion, buildVersion } from './version.mts'

export interface BuildResult {
  os: string
  /** Of the version that was built or, where none was, would be. */
  name: string
  /** The first node it is built on. */
  node: string
  packer: { version: string; dialect: Dialect; file: string }
  /** What was changed in the copy for the packaged Packer. */
  changes: string[]
  /** Of a dry run: what would be run. */
  commands: string[]
  /** Why nothing was to be built, or why something was although only changes were asked for. */
  reason: string | undefined
  /** Undefined where nothing was built. */
  template: BuiltVersion | undefined
  seconds: number
}

/** Builds one family: checks, `packer validate`, a copy per place, the acceptance test, the lockfile. */
export async function buildFamily(builder: Builder, os: string, signal: AbortSignal): Promise<BuildResult> {
  const start = performance.now()
  const { connection, packer, options } = builder
  const job = await prepareJob(connection, packer, os, options)
  const known = (await readLockfile(lockfilePath()))[os] ?? noVersions
  const name = await nameOf(connection, job, known)
  const about = {
    os,
    name,
    node: job.places[0]!.node,
    packer: { version: packer.version, dialect: packer.dialect, file: packer.file },
    changes: [],
    commands: [],
    reason: options.ifChanged ? whyBuild(job, known.current, options) : undefined,
    template: undefined,
  }
  const elapsed = () => (performance.now() - start) / 1000
  const upToDate = options.ifChanged ? upToDateVersion(job, known, options) : undefined
  if (upToDate !== undefined) {
    return { ...about, reason: `${upToDate} is built from the same`, seconds: elapsed() }
  }
  const { folder, changes, copy } = await packerFolder(job, packer.dialect, connection.config.stateDir)
  try {
    const placed = job.places.map(place => ({ job, name, place, packer, folder, changes }))
    const made = await execute(builder, placed, signal)
    return { ...about, changes, ...made, seconds: elapsed() }
  } finally {
    if (copy !== undefined) await rm(copy, { recursive: true, force: true })
  }
}

/** A candidate that waits for a person will do as well: a schedule does not build it again each night. */
function upToDateVersion(job: BuildJob, known: FamilyVersions, options: BuildOptions): string | undefined {
  const { current, candidate } = known
  if (whyBuild(job, current, options) === undefined) return current!.name
  const waits = candidate?.test?.passed === true && whyBuild(job, candidate, options) === undefined
  return waits ? `the candidate ${candidate.name}` : undefined
}

function whyBuild(
  job: BuildJob,
  version: TemplateVersion | null,
  { maxAgeMs }: BuildOptions,
): string | undefined {
  const wanted = { digest: job.digests.digest, places: job.places, maxAgeMs, now: new Date() }
  return reasonToBuild(version, wanted, before => changedInputs(before.inputs, job.digests.inputs))
}

/** A VM of somebody else's may have the name already: then it is left alone, and this one gets another. */
async function nameOf({ client, config }: Connection, job: BuildJob, known: FamilyVersions): Promise<string> {
  const [vms, reservations] = await Promise.all([listVms(client), listReservations(config.stateDir)])
  const taken = [
    ...versionsOf(known).map(version => version.name),
    ...vms.map(vm => vm.name ?? ''),
    ...reservations.map(reservation => reservation.name),
  ]
  return versionName(job.os, new Date(), job.digests.digest, new Set(taken))
}

async function execute(
  builder: Builder,
  placed: PlacedJob[],
  signal: AbortSignal,
): Promise<Partial<Pick<BuildResult, 'commands' | 'template'>>> {
  const { connection, options } = builder
  const [first] = placed
  const commands = commandsOf(connectionAt(connection, first!.place), first!)
  if (options.dryRun) return { commands: Object.values(commands).map(describeCommand) }
  await validateWithPacker(first!.job.os, commands.validate, signal)
  if (options.validateOnly) return {}
  return { template: await buildVersion(builder, placed, signal) }
}
