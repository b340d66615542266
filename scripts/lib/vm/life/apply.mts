import { displaced } from '../../registry/check.mts'
import { displacedHint } from '../../registry/divergence.mts'
import { type Entry, isToRun, wasActive } from '../../registry/entry.mts'
import { requireEntry } from '../../registry/revise.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Site } from '../../site/site.mts'
import { lockfilePath, readLockfile } from '../../templates/lockfile.mts'
import type { Change, Cost } from '../../terraform/costs.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireRestored } from '../look/barriers.mts'
import { requireNotRevoked } from '../look/outdated.mts'
import { withKeysOfToday } from '../plan/logins.mts'
import { poolsOfCards, requireCardNetworks, withNetworkOfToday } from '../plan/network.mts'
import { converge } from '../stack/converge.mts'
import { withoutRetired } from './change.mts'
import { reservedElsewhere } from './collision.mts'
import { continueRebuild } from './continue-rebuild.mts'
import { removeReplaced } from './destroy.mts'
import { resumable, withoutFailure } from './failure.mts'
import { isUnfinished, takeStep } from './steps.mts'

/** The result of an apply to one VM. */
export interface Applied {
  entry: Entry
  did: 'reserved' | 'made' | 'changed' | 'nothing' | 'planned'
  /** What was changed of a VM that existed, or would be. */
  changes?: Change[]
  /** The plan for a person, where nothing was applied. */
  plan?: string
}

interface ApplyOptions {
  planOnly: boolean
  /** Costs that a person agreed to. */
  allowed: ReadonlySet<Cost>
}

type OnFailure = (entry: Entry, error: unknown) => unknown

/**
 * Takes a VM through all its steps to active. A VM that is active already stays as it is. The caller holds its lock.
 * @param onFailure returns the failure to throw, after it has cleared up.
 */
export async function finishVm(name: string, context: VmContext, onFailure: OnFailure): Promise<Applied> {
  let entry = await requireEntry(context.store, name)
  const wasRebuilt = entry.rebuild !== undefined
  if (wasRebuilt)
    entry = await continueRebuild(entry, context).catch(error =>
      failedRebuild(name, error, context, onFailure),
    )
  if (!isUnfinished(entry)) return { entry, did: wasRebuilt ? 'made' : 'nothing' }
  await checkPlace(entry, context.connection.site)
  entry = await withKeysOfToday(entry, context.store, context.connection.site)
  // Read anew for each VM: a run over many VMs takes hours, and a version may be revoked meanwhile.
  if (entry.phase === 'reserved') {
    requireNotRevoked(entry, await readLockfile(lockfilePath()))
    entry = await withNetworkToMake(entry, context)
  }
  while (isUnfinished(entry)) {
    const before = entry
    const step = before.replaces === undefined ? takeStep : removeReplaced
    entry = await step(before, context).catch(error => afterFailure(before, error, context, onFailure))
  }
  return { entry, did: 'made' }
}

async function failedRebuild(
  name: string,
  error: unknown,
  { store }: VmContext,
  onFailure: OnFailure,
): Promise<never> {
  throw await onFailure(await requireEntry(store, name), error)
}

/** Goes on with another VMID if another VM has the reserved one. @throws the result of `onFailure` otherwise. */
async function afterFailure(
  before: Entry,
  error: unknown,
  context: VmContext,
  onFailure: OnFailure,
): Promise<Entry> {
  const { name } = before
  let failure = error
  const elsewhere = await reservedElsewhere(name, context).catch(collision => {
    failure = collision
  })
  if (elsewhere !== undefined) return elsewhere
  throw await onFailure((await context.store.find(name)) ?? before, failure)
}

/** Takes the network of today for a VM that is to be made, and looks at its bridges. */
async function withNetworkToMake(reserved: Entry, { store, connection }: VmContext): Promise<Entry> {
  const entry = await withNetworkOfToday(reserved, store, connection.site)
  const { node, design } = entry
  if (design !== null && node !== null) {
    await requireCardNetworks(connection, node, design, poolsOfCards(entry, await connection.site.pools()))
  }
  return entry
}

/**
 * Makes a VM that was only reserved, and applies to one that is there what differs from its entry. A suspended VM
 * stays powered off.
 * @throws ProxmintError, also where the changes cost what nobody agreed to.
 */
export async function applyVm(name: string, options: ApplyOptions, unlocked: VmContext): Promise<Applied> {
  return withVmLock({ ...unlocked, allowed: options.allowed }, name, 'apply', async context => {
    const entry = await requireEntry(context.store, name)
    requireRestored(entry)
    const isToFinish = isUnfinished(entry) || entry.rebuild !== undefined
    if (!options.planOnly && isToFinish) return finishVm(name, context, resumable)
    await checkPlace(entry, context.connection.site)
    const { changed, changes, plan } = await converge(
      entry,
      { ...options, started: isToRun(entry), intent: 'update' },
      context,
    )
    if (plan !== undefined) return { entry, did: 'planned', changes, plan }
    const done = await withoutRetired(await requireEntry(context.store, name), context.store)
    const after = await withoutFailure(context.store, done)
    return { entry: after, did: changed ? 'changed' : 'nothing', changes }
  })
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
