import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { removeStaleCopies } from '../packer/packaged-copy.mts'
import { listFamilies } from '../packer/template.mts'
import { interrupted } from '../run/errors.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import { requireTool } from '../tools/find.mts'
import { type Builder, type BuildResult, buildFamily } from './build-family.mts'
import type { BuildOptions } from './build-options.mts'
import { type Connection, cleaningOf, connect } from './connect.mts'
import { removeLeftovers } from './remove-leftovers.mts'
import { createSlots, longestFirst, type Slots } from './schedule.mts'

/** What became of one family. */
export type BuildOutcome = { os: string; result: BuildResult } | { os: string; error: unknown }

/**
 * Builds families, several at once where that is asked for. A family that fails does not keep the others from being built.
 * @returns an outcome per family, in the order they were named.
 * @throws ProxmintError for what concerns all of them: no Packer, no connection, an interruption.
 */
export async function build(options: BuildOptions, signal: AbortSignal): Promise<BuildOutcome[]> {
  const packer = await requireTool('packer')
  const dialect = packer.dialect ?? 'modern'
  const connection = await connect(dialect === 'packaged' ? 'password' : 'token')
  const { config } = connection
  const copies = join(config.stateDir, 'packaged')
  await removeStaleCopies(copies)
  if (!options.dryRun && !options.validateOnly) await tellLeftovers(connection)
  const slots = createSlots(limitOf(options))
  const builder: Builder = {
    connection,
    packer: { ...packer, dialect },
    options,
    atPlace: ({ node, storage }, work) => slots.use([`node ${node}`, `storage ${node} ${storage}`], work),
  }
  try {
    return await buildAll(builder, slots, await namesOf(options), signal)
  } finally {
    await rm(join(copies, String(process.pid)), { recursive: true, force: true })
  }
}

async function tellLeftovers(connection: Connection): Promise<void> {
  for (const told of await removeLeftovers(cleaningOf(connection))) process.stderr.write(`${told}\n`)
}

async function namesOf({ families }: BuildOptions): Promise<string[]> {
  return families.length > 0 ? [...new Set(families)] : listFamilies()
}

function limitOf({ parallel }: BuildOptions): (key: string) => number {
  return key => (key === 'run' ? parallel : 4)
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
    try {
      outcomes.set(os, { os, result: await buildFamily(builder, os, signal) })
    } catch (error) {
      outcomes.set(os, { os, error })
    }
  }
  await Promise.all(order.map(os => slots.use(['run'], () => one(os))))
  if (signal.aborted && names.length > 1) throw interrupted(`build of ${names.join(', ')}`)
  return names.map(os => outcomes.get(os) ?? { os, error: interrupted(`build ${os}`) })
}
