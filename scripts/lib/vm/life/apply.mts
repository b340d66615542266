import type { Entry } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNotRevoked } from '../look/outdated.mts'
import { checkPlace } from '../look/place.mts'
import { withKeysOfToday } from '../plan/keys.mts'
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
