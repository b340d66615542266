import { changedInputs } from '../packer/input-digest.mts'
import { describeCommand } from '../run/exec.mts'
import { reasonToBuild } from '../templates/freshness.mts'
import type { TemplateVersion } from '../templates/version.mts'
import { packerCommands } from './copy.mts'
import { withPackerFolder } from './packer-folder.mts'
import { validateWithPacker } from './packer-run.mts'
import { prepareBuild } from './prepare.mts'
import type { Build, BuildResult, BuildRun } from './records.mts'
import { buildVersion } from './version.mts'

/** Builds one family: checks, `packer validate`, a copy per place, the acceptance test, the lockfile. */
export async function buildFamily(run: BuildRun, os: string): Promise<BuildResult> {
  const start = performance.now()
  const build = await prepareBuild(run, os)
  const before = nothingBuilt(build)
  const more = await execute(build)
  return { ...before, ...more, seconds: (performance.now() - start) / 1000 }
}

function nothingBuilt(build: Build): Omit<BuildResult, 'seconds'> {
  const { os, name, places, packer, options, known } = build
  return {
    os,
    name,
    node: places[0]!.node,
    packer: { version: packer.version, dialect: packer.dialect, file: packer.file },
    changes: [],
    commands: [],
    reason: options.ifChanged ? whyBuild(build, known.current) : undefined,
    template: undefined,
  }
}

async function execute(build: Build): Promise<Partial<BuildResult>> {
  const upToDate = build.options.ifChanged ? upToDateVersion(build) : undefined
  if (upToDate !== undefined) return { reason: `${upToDate} is built from the same` }
  return withPackerFolder(build, async placed => ({ changes: placed.changes, ...(await runPacker(placed)) }))
}

/** Names the version that makes a build needless. A tested candidate that waits for a person counts too. */
function upToDateVersion(build: Build): string | undefined {
  const { current, candidate } = build.known
  if (whyBuild(build, current) === undefined) return current!.name
  const waits = candidate?.test?.passed === true && whyBuild(build, candidate) === undefined
  return waits ? `the candidate ${candidate.name}` : undefined
}

function whyBuild({ digests, places, options }: Build, version: TemplateVersion | null): string | undefined {
  const wanted = { digest: digests.digest, places, maxAgeMs: options.maxAgeMs, now: new Date() }
  return reasonToBuild(version, wanted, before => changedInputs(before.inputs, digests.inputs))
}

async function runPacker(build: Build): Promise<Partial<BuildResult>> {
  const { os, options, signal, places } = build
  const commands = packerCommands(build, places[0]!)
  if (options.dryRun) return { commands: Object.values(commands).map(describeCommand) }
  await validateWithPacker(os, commands.validate, signal)
  if (options.validateOnly) return {}
  return { template: await buildVersion(build) }
}
