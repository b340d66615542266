import { rm } from 'node:fs/promises'
import { formatPrune } from '../channels/format-prune.mts'
import { mirror } from '../channels/mirror.mts'
import { DEFAULT_MIN_AGE_MS, pruneTemplates } from '../channels/prune.mts'
import type { Config } from '../config/load.mts'
import { copiesOfThisRun, removeStaleCopies } from '../packer/packaged-copy.mts'
import { listFamilies, loadTemplate } from '../packer/template.mts'
import { interrupted } from '../run/errors.mts'
import { say, withRow } from '../run/progress.mts'
import { createSlots, longestFirst, type Slots } from '../run/slots.mts'
import { requireFamily } from '../site/checked-template.mts'
import { type Connection, cleaningOf, connect } from '../site/connect.mts'
import { removeLeftovers } from '../site/remove-leftovers.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { requireTool } from '../tools/find.mts'
import { type BuildResult, buildFamily } from './family.mts'
import { type Builder, requireVariables } from './job.mts'
import type { BuildOptions } from './options.mts'

/** What became of one family. */
export type BuildOutcome = { os: string; result: BuildResult } | { os: string; error: unknown }

/**
 * Builds families, several at once where that is asked for. A family that fails does not keep the others from
 * being built.
 * @returns an outcome per family, in the order they were named.
 * @throws ProxmintError for what concerns all of them: no Packer, no connection, an interruption.
 */
export async function build(options: BuildOptions, signal: AbortSignal): Promise<BuildOutcome[]> {
  const names = await namesOf(options)
  await requireAnyKnown(names, options)
  const packer = await requireTool('packer')
  const dialect = packer.dialect ?? 'modern'
  const connection = await connect(dialect === 'packaged' ? 'password' : 'token')
  const { config } = connection
  await removeStaleCopies(config.stateDir)
  if (!options.dryRun && !options.validateOnly) await tellLeftovers(connection)
  const slots = createSlots(key => limitOf(key, options, config))
  const builder: Builder = {
    connection,
    packer: { ...packer, dialect },
    options,
    atPlace: ({ node, storage }, work) => slots.use([`node ${node}`, `storage ${storage}`], work),
  }
  try {
    const outcomes = await buildAll(builder, slots, names, signal)
    await pruneBuilt(connection, options, outcomes, signal)
    // What a run before this one could not bring up to the lockfile.
    if (!options.dryRun && !options.validateOnly && !outcomes.some(isBuilt)) await mirror(connection)
    return outcomes
  } finally {
    await rm(copiesOfThisRun(config.stateDir), { recursive: true, force: true })
  }
}

async function tellLeftovers(connection: Connection): Promise<void> {
  for (const told of await removeLeftovers(cleaningOf(connection))) say(told)
}

function isBuilt(outcome: BuildOutcome): boolean {
  return 'result' in outcome && outcome.result.template !== undefined
}

/** `--keep N`: the families that were built lose the versions nobody needs. */
async function pruneBuilt(
  connection: Connection,
  { keep }: BuildOptions,
  outcomes: BuildOutcome[],
  signal: AbortSignal,
): Promise<void> {
  const built = outcomes.filter(isBuilt).map(({ os }) => os)
  if (keep === undefined || built.length === 0) return
  const report = await pruneTemplates(
    connection,
    { families: built, keep, minAgeMs: DEFAULT_MIN_AGE_MS, dryRun: false },
    signal,
  )
  say(formatPrune(report))
}

/** What is wrong with names and variables of all families is told before anybody logs in. */
async function requireAnyKnown(names: string[], { variables }: BuildOptions): Promise<void> {
  const faults: unknown[] = []
  const look = async (os: string): Promise<void> => {
    await requireFamily(os)
    if (Object.keys(variables).length > 0) requireVariables(await loadTemplate(os), variables)
  }
  for (const os of names) await look(os).catch(error => faults.push(error))
  if (names.length > 0 && faults.length === names.length) throw faults[0]
}

async function namesOf({ families }: BuildOptions): Promise<string[]> {
  return families.length > 0 ? [...new Set(families)] : listFamilies()
}

/** How much of what `key` names goes on at the same time. */
function limitOf(key: string, { parallel }: BuildOptions, config: Config): number {
  if (key === 'run') return parallel
  return key.startsWith('node ') ? config.buildsPerNode : config.buildsPerStorage
}

async function buildAll(
  builder: Builder,
  slots: Slots,
  names: string[],
  signal: AbortSignal,
): Promise<BuildOutcome[]> {
  const known = await readLockfile(lockfilePath())
  const order = longestFirst(names, os => known[os]?.current?.buildSeconds)
  const outcomes = new Map<string, BuildOutcome>()
  const one = async (os: string): Promise<void> => {
    if (signal.aborted) return
    const build = () => buildFamily(builder, os, signal)
    try {
      outcomes.set(os, { os, result: await (names.length === 1 ? build() : withRow(os, build)) })
    } catch (error) {
      outcomes.set(os, { os, error })
    }
  }
  await Promise.all(order.map(os => slots.use(['run'], () => one(os))))
  if (signal.aborted && names.length > 1) throw interrupted(`build of ${names.join(', ')}`)
  return names.map(os => outcomes.get(os) ?? { os, error: interrupted(`build ${os}`) })
}
