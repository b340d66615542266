/** Changes a VM that is there: shows what each difference costs, and makes it. */
import { getRunningConfig } from '../../proxmox/get-vm-config.mts'
import type { Entry } from '../../registry/entry.mts'
import { requireQuota, takesMore } from '../../registry/quota.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import { type Cost, requireAllowed } from '../../terraform/costs.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNoLock, requireRestored } from '../look/barriers.mts'
import { lookAtVm, recordNode, requireMarked, requireThere } from '../look/locate.mts'
import { type ChangeLine, type EntryChange, planEntryChange } from '../plan/change.mts'
import { type CardsChange, cardsChangeFor } from '../plan/change-cards.mts'
import type { VmWishes } from '../plan/design.mts'
import { unregisteredVms } from '../plan/unregistered-vms.mts'
import { changesIn, type Edit } from '../shape/edit.mts'
import { settleCards } from '../stack/settle-cards.mts'
import { changeLineOf, editsOf, type FoundVm, formatChanges, impossible, refusedBy } from './change-edits.mts'
import { makeEdits, recordMade } from './make-change.mts'
import { setTokenExpiry } from './token.mts'

interface ChangeOptions {
  planOnly: boolean
  /** Costs that a person agreed to. */
  allowed: ReadonlySet<Cost>
}

export interface Changed {
  entry: Entry
  did: 'planned' | 'changed' | 'nothing'
  changes: ChangeLine[]
}

/**
 * Changes what was given, and nothing else. The costs are looked at first. Then the entry is written, so that an `apply`
 * finishes a run that died, and then the VM is changed.
 * @throws ProxmintError (invalid) for what cannot be had, or costs what nobody agreed to; nothing is changed then.
 */
export async function changeVm(
  name: string,
  wishes: VmWishes,
  { planOnly, allowed }: ChangeOptions,
  unlocked: VmContext,
): Promise<Changed> {
  return withVmLock(unlocked, name, 'vm change', async context => {
    const before = requireFinished(await requireEntry(context.store, name))
    requireRestored(before)
    const found = isThere(before) ? await look(before, context) : undefined
    const cards = await cardsChangeFor(before, wishes.networks, found?.config, context)
    const plan = await withCards(planEntryChange(before, wishes, new Date()), before, cards, context)
    const edits = await editsOf(plan, before, found, context)
    const refused = [...plan.refused, ...refusedBy(plan, wishes, found)]
    const changes = [...refused, ...plan.lines, ...edits.map(changeLineOf)]
    if (planOnly) return { entry: before, did: changes.length > 0 ? 'planned' : 'nothing', changes }
    if (refused.length > 0) throw impossible(name, refused)
    requireAllowed(name, changesIn(edits), { allowed, again: `zx scripts/vm.mts change ${name} ...` })
    await requireRoom(before, plan.entry, context)
    if (changes.length > 0) say(formatChanges(name, changes))
    const written = await write(before, plan.entry, cards, context)
    const entry = await makeIn(before, written, { plan, edits, cards, found }, context)
    return { entry, did: changes.length > 0 ? 'changed' : 'nothing', changes }
  })
}

interface Planned {
  plan: EntryChange
  edits: Edit[]
  cards: CardsChange | undefined
  found: FoundVm | undefined
}

/** Brings what is written down to the VM in Proxmox. */
async function makeIn(
  before: Entry,
  written: Entry,
  { plan, edits, cards, found }: Planned,
  context: VmContext,
): Promise<Entry> {
  if (found === undefined) return finished(before, written, found, context)
  // By now the registry may have given other addresses than it said before.
  const last =
    cards === undefined ? edits : await editsOf({ ...plan, entry: written }, before, found, context)
  await makeEdits(before, written, { edits: last, found }, context)
  return finished(before, await recordMade(written, last, found, context), found, context)
}

/** A VM that gets smaller is never refused. @throws ProxmintError (usage) if it would take more than a quota leaves. */
async function requireRoom(before: Entry, after: Entry, { store, connection }: VmContext): Promise<void> {
  const { quotas } = await connection.site.pools()
  if (quotas !== undefined && takesMore(before, after)) requireQuota(quotas, await store.list(), [after])
}

/** Whether something of the VM in Proxmox can be changed: it was made, and by proxmint. */
function isThere({ phase, design }: Entry): boolean {
  return phase !== 'reserved' && design !== null
}

async function look(entry: Entry, { connection }: VmContext): Promise<FoundVm> {
  const sight = await lookAtVm(connection, entry)
  requireMarked(entry, sight)
  const vm = requireThere(entry, sight.vm)
  const config = sight.config!
  requireNoLock(entry.name, vm)
  const running = vm.status === 'running' ? await getRunningConfig(connection.client, vm) : undefined
  return { vm, config, running }
}

/** Adds the cards, with the addresses that the registry would give. */
async function withCards(
  plan: EntryChange,
  before: Entry,
  cards: CardsChange | undefined,
  { store }: VmContext,
): Promise<EntryChange> {
  if (cards === undefined) return plan
  const { addresses } = await store.previewFurther(before, cards.missing, {})
  return { ...plan, entry: cards.revise({ ...plan.entry, ...(addresses && { addresses }) }) }
}

async function write(
  before: Entry,
  after: Entry,
  cards: CardsChange | undefined,
  context: VmContext,
): Promise<Entry> {
  if (after === before) return before
  const { store } = context
  const { design, purpose, ownerName, expiresAt, retired, history } = after
  const event = history.at(-1)!
  const revise = ({ ownerName: _, ...one }: Entry): Entry => ({
    ...one,
    ...{ design, purpose, expiresAt, history: [...one.history, event] },
    ...(ownerName !== undefined && { ownerName }),
    ...(retired !== undefined && { retired }),
  })
  const written = await (cards === undefined
    ? store.change(before, revise)
    : store.reserveFurther(before, cards.missing, { unknown: await unregisteredVms(context) }, one =>
        revise(cards.revise(one)),
      ))
  checkpoint('vm-change-written')
  return written
}

/** Notes that nothing is left to take out of Proxmox, and where the VM is. */
async function finished(
  before: Entry,
  written: Entry,
  found: FoundVm | undefined,
  { connection, store, issuer }: VmContext,
): Promise<Entry> {
  await recordNode(before, found?.vm, store)
  // The next `apply` makes the seed anew.
  if (found !== undefined) await settleCards(written, found.vm, connection, store, false)
  const entry = await withoutRetired(await requireEntry(store, written.name), store)
  if (entry.expiresAt !== before.expiresAt) await setTokenExpiry(entry, issuer)
  return entry
}

export async function withoutRetired(
  entry: Entry,
  store: Pick<VmContext['store'], 'change'>,
): Promise<Entry> {
  if (entry.retired === undefined) return entry
  return store.change(entry, ({ retired: _, ...one }) => one)
}

/** The end of a rebuild would overwrite what is changed meanwhile. @throws ProxmintError (usage) */
export function requireFinished(entry: Entry): Entry {
  const { name, phase, replaces, rebuild } = entry
  const isRebuilt = replaces !== undefined || rebuild !== undefined
  if (!isRebuilt && phase !== 'created' && phase !== 'minted') return entry
  throw new ProxmintError(`${name} is not finished: it is ${isRebuilt ? 'being rebuilt' : phase}`, {
    hint: `nothing was changed; first: zx scripts/apply.mts ${name}`,
    exitCode: exitCodes.usage,
  })
}
