import { rm } from 'node:fs/promises'
import { mirror } from '../channels/mirror.mts'
import { DEFAULT_MIN_AGE_MS, formatPrune, pruneTemplates } from '../channels/prune.mts'
import type { Config } from '../config/load.mts'
import { copiesOfThisRun, removeStaleCopies } from '../packer/packaged-copy.mts'
import { interrupted } from '../run/errors.mts'
import { say, withRow } from '../run/progress.mts'
import { createSlots, longestFirst, type Slots } from '../run/slots.mts'
import { type Connection, cleaningOf, connect } from '../site/connect.mts'
import { removeLeftovers } from '../site/remove-leftovers.mts'
import { loginOf } from '../site/work-permissions.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { requireTool } from '../tools/find.mts'
import { warnOfIgnored } from '../tools/passed-variables.mts'
import { buildFamily } from './family.mts'
import { checkOffline, familyNames, requireAny } from './offline.mts'
import type { BuildOptions, BuildOutcome, BuildRun } from './records.mts'

/**
 * Builds families, `parallel` of them at the same time. A family that fails does not stop the others.
 * @returns an outcome per family, in the order they were named.
 * @throws ProxmintError for a failure that concerns all of them: no Packer, no connection, an interruption.
 */
export async function build(options: BuildOptions, signal: AbortSignal): Promise<BuildOutcome[]> {
  const names = await familyNames(options)
  const checked = await checkOffline(names, options)
  requireAny(names, checked)
  warnOfIgnored('packer')
  const packer = await requireTool('packer')
  const connection = await connect(loginOf(packer))
  const { config } = connection
  await cleanUp(connection, options)
  const slots = createSlots(key => limitOf(key, options, config))
  const run: BuildRun = {
    options,
    connection,
    checked,
    packer: { ...packer, dialect: packer.dialect ?? 'modern' },
    signal,
    atPlace: ({ node, storage }, work) => slots.use([`node ${node}`, `storage ${storage}`], work),
  }
  try {
    const outcomes = await buildAll(run, slots, names)
    await pruneBuilt(run, outcomes)
    // An earlier run may have failed to bring the mirrors up to the lockfile.
    if (!changesNothing(options) && !outcomes.some(isBuilt)) await mirror(connection)
    return outcomes
  } finally {
    await rm(copiesOfThisRun(config.stateDir), { recursive: true, force: true })
  }
}

function changesNothing({ dryRun, validateOnly }: BuildOptions): boolean {
  return dryRun || validateOnly
}

/** Removes what earlier runs left here and, unless nothing is to be changed, in Proxmox. */
async function cleanUp(connection: Connection, options: BuildOptions): Promise<void> {
  await removeStaleCopies(connection.config.stateDir)
  if (changesNothing(options)) return
  for (const sentence of await removeLeftovers(cleaningOf(connection))) say(sentence)
}

function isBuilt(outcome: BuildOutcome): boolean {
  return 'result' in outcome && outcome.result.template !== undefined
}

/** Prunes the families that were built, with `--keep N`. */
async function pruneBuilt(
  { connection, options, signal }: BuildRun,
  outcomes: BuildOutcome[],
): Promise<void> {
  const { keep } = options
  const built = outcomes.filter(isBuilt).map(({ os }) => os)
  if (keep === undefined || built.length === 0) return
  const report = await pruneTemplates(
    connection,
    { families: built, keep, minAgeMs: DEFAULT_MIN_AGE_MS, dryRun: false },
    signal,
  )
  say(formatPrune(report))
}

/** Limits how many builds use the run, a node or a storage at the same time. */
function limitOf(key: string, { parallel }: BuildOptions, config: Config): number {
  if (key === 'run') return parallel
  return key.startsWith('node ') ? config.buildsPerNode : config.buildsPerStorage
}

async function buildAll(run: BuildRun, slots: Slots, names: string[]): Promise<BuildOutcome[]> {
  const { signal } = run
  const known = await readLockfile(lockfilePath())
  const order = longestFirst(names, os => known[os]?.current?.buildSeconds)
  const outcomes = new Map<string, BuildOutcome>()
  const one = async (os: string): Promise<void> => {
    if (signal.aborted) return
    const build = () => buildFamily(run, os)
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
