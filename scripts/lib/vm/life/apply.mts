import { displaced } from '../../registry/check.mts'
import { displacedHint } from '../../registry/divergence.mts'
import { type Entry, wasActive } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Site } from '../../site/site.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNotRevoked } from '../look/outdated.mts'
import { withKeysOfToday } from '../plan/logins.mts'
import { converge } from '../stack/converge.mts'
import { removeReplaced } from './destroy.mts'
import { resumable } from './failure.mts'
import { isUnfinished, takeStep } from './steps.mts'

/** What an apply did to one VM. */
export interface Applied {
  entry: Entry
  did: 'reserved' | 'made' | 'changed' | 'nothing' | 'planned'
  /** Of a run that only plans: the plan for a person. */
  plan?: string
}

export interface ApplyOptions {
  planOnly: boolean
  /** Its disk may be lost. */
  allowReplace: boolean
}

type OnFailure = (entry: Entry, error: unknown) => unknown

/**
 * Takes a VM through all its steps to active; nothing is done to one that is further. The caller holds its lock.
 * @param onFailure makes the failure that is thrown, after it has cleared up what it wants to.
 */
export async function finishVm(name: string, context: VmContext, onFailure: OnFailure): Promise<Applied> {
  let entry = await requireEntry(context.store, name)
  if (!isUnfinished(entry)) return { entry, did: 'nothing' }
  await checkPlace(entry, context.connection.site)
  entry = await withKeysOfToday(entry, context.store, context.connection.site)
  if (entry.phase === 'reserved') requireNotRevoked(entry, await context.connection.site.families())
  while (isUnfinished(entry)) {
    const before = entry
    const step = before.replaces === undefined ? takeStep : removeReplaced
    entry = await step(before, context).catch(async error => {
      throw await onFailure((await context.store.find(name)) ?? before, error)
    })
  }
  return { entry, did: 'made' }
}

/**
 * Finishes what was only reserved, and applies what differs of what is there: all of it follows from the entry. A
 * suspended VM stays powered off.
 * @throws ProxmintError, also where the plan would lose the VM's disk and nobody agreed to that.
 */
export async function applyVm(name: string, options: ApplyOptions, unlocked: VmContext): Promise<Applied> {
  return withVmLock(unlocked, name, 'apply', async context => {
    const entry = await requireEntry(context.store, name)
    if (!options.planOnly && isUnfinished(entry)) return finishVm(name, context, resumable)
    await checkPlace(entry, context.connection.site)
    const { changed, plan } = await converge(
      entry,
      { ...options, started: isToRun(entry), intent: 'update' },
      context,
    )
    if (plan !== undefined) return { entry, did: 'planned', plan }
    return { entry: await requireEntry(context.store, name), did: changed ? 'changed' : 'nothing' }
  })
}

/** Whether the VM is to run follows the phase, so that no apply wakes a suspended one. */
export function isToRun({ phase }: Entry): boolean {
  return phase === 'active'
}

/**
 * Warns where a VM has its VMID or address from a range that is configured no more. It keeps them all the same.
 * @throws ProxmintError (invalid) for one that never ran: by now somebody else may have the address.
 */
export async function checkPlace(entry: Entry, site: Pick<Site, 'pools'>): Promise<void> {
  const faults = displaced(entry, await site.pools())
  if (faults.length > 0 && !wasActive(entry)) throw movedAway(entry, faults)
  for (const fault of faults) {
    say(`warning: ${entry.name} stays as it is, although ${fault}; ${displacedHint(entry.name)}`)
  }
}

function movedAway({ name }: Entry, faults: string[]): ProxmintError {
  return new ProxmintError(`${name} never ran, and ${faults.join('; ')}`, {
    hint: displacedHint(name),
    exitCode: exitCodes.invalid,
  })
}
