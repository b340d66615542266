/** Takes a rebuild or an undo to its end, from wherever it is. */
import { type Entry, isToRun } from '../../registry/entry.mts'
import { rebuildEnded } from '../../registry/rebuild.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { ProxmintError } from '../../run/errors.mts'
import { withProgress } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'
import { nextStep } from './plan.mts'
import { removeUnused } from './previous.mts'
import { lookAtRebuild } from './sight.mts'
import { removeSpare } from './spare.mts'
import { STEPS } from './steps.mts'
import type { Power } from './work.mts'

/** Way out and back with each step twice; more is a circle. */
const MOST_STEPS = 24

/**
 * Does what is left of the rebuild in the entry. A VM that is not active stays off.
 * @returns the entry without it.
 */
export async function advanceRebuild(begun: Entry, context: VmContext, power: Power): Promise<Entry> {
  let entry = begun
  for (let count = 0; count < MOST_STEPS; count++) {
    const { rebuild } = entry
    if (rebuild === undefined) return entry
    const found = await lookAtRebuild(context.connection, entry)
    const step = nextStep(rebuild, found)
    if (step === 'finish') return finish(entry, context, power)
    entry = await STEPS[step]({ entry, rebuild, found, context, power })
  }
  throw new ProxmintError(`the ${begun.rebuild?.kind} of ${begun.name} does not end`, {
    hint: 'somebody may be changing the VM in Proxmox at the same time; run the command again',
  })
}

/** Starts and looks into a VM that has its other root disk, and removes what is not needed any more. */
async function finish(swapped: Entry, context: VmContext, power: Power): Promise<Entry> {
  const { connection, store } = context
  const { kind, from, to, older } = swapped.rebuild!
  const runs = isToRun(swapped)
  const entry = runs ? await power.start(swapped) : swapped
  checkpoint('vm-rebuild-started')
  await removeSpare(entry, connection)
  if (runs) await power.verify(entry, kind === 'undo')
  if (older !== undefined) {
    await withProgress(`remove ${older}`, async () => removeUnused(entry, older, connection))
    checkpoint('vm-rebuild-older-removed')
  }
  const ended = await store.change(entry, one =>
    rebuildEnded(one, `${kind === 'undo' ? 'undone' : 'rebuilt'}, from ${from} to ${to}`, new Date()),
  )
  checkpoint('vm-rebuild-done')
  return ended
}
