/** Changes a VM that is there: shows what each difference costs, and makes it. */
import { CHANGE_COSTS } from '../../config/vm-option.mts'
import { ProxmoxApiError } from '../../proxmox/errors.mts'
import { getRunningConfig, getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { type Entry, isToRun, withEvent } from '../../registry/entry.mts'
import { requireQuota, takesMore } from '../../registry/quota.mts'
import { requireEntry } from '../../registry/revise.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import { say, withProgress } from '../../run/progress.mts'
import { formatTable } from '../../run/table.mts'
import { type Change, type Cost, requireAllowed } from '../../terraform/costs.mts'
import { type VmContext, withVmLock } from '../context.mts'
import { requireNoLock, requireRestored } from '../look/barriers.mts'
import { type LocatedVm, lookAtVm, recordNode, requireMarked, requireThere } from '../look/locate.mts'
import {
  type ChangeLine,
  contradictions,
  type EntryChange,
  planEntryChange,
  SHRINKS,
} from '../plan/change.mts'
import { type CardsChange, cardsChangeFor } from '../plan/change-cards.mts'
import type { VmWishes } from '../plan/design.mts'
import { unregisteredVms } from '../plan/unregistered-vms.mts'
import { askedAmong } from '../shape/asked.mts'
import { changesIn, type Edit } from '../shape/edit.mts'
import { filterEdits } from '../shape/ip-filters.mts'
import { pricedEdits } from '../shape/shape.mts'
import { readIpFilters } from '../stack/ip-filters.mts'
import { sizeOf } from '../stack/keep.mts'
import { recordAttached } from '../stack/record-size.mts'
import { reshape } from '../stack/reshape.mts'
import { settleCards } from '../stack/settle-cards.mts'
import { verifyAddress } from './power.mts'
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
    const changes = [...refused, ...plan.lines, ...edits.map(lineOf)]
    if (planOnly) return { entry: before, did: changes.length > 0 ? 'planned' : 'nothing', changes }
    if (refused.length > 0) throw impossible(name, refused)
    requireAllowed(name, changesIn(edits), { allowed, again: `zx scripts/vm.mts change ${name} ...` })
    await requireRoom(before, plan.entry, context)
    if (changes.length > 0) say(formatChanges(name, changes))
    const written = await write(before, plan.entry, cards, context)
    // By now the registry may have given other addresses than it said before.
    const last =
      cards === undefined ? edits : await editsOf({ ...plan, entry: written }, before, found, context)
    if (found !== undefined) await makeEdits(before, written, { edits: last, found }, context)
    const recorded = found === undefined ? written : await recordMade(written, last, found, context)
    const entry = await finished(before, recorded, found, context)
    return { entry, did: changes.length > 0 ? 'changed' : 'nothing', changes }
  })
}

/** A VM that gets smaller is never refused. @throws ProxmintError (usage) if it would take more than a quota leaves. */
async function requireRoom(before: Entry, after: Entry, { store, connection }: VmContext): Promise<void> {
  const { quotas } = await connection.site.pools()
  if (quotas !== undefined && takesMore(before, after)) requireQuota(quotas, await store.list(), [after])
}

/** A VM as it was found. */
interface Found {
  vm: LocatedVm
  /** With what waits for its next start. */
  config: VmConfig
  /** Undefined: it is off. */
  running: VmConfig | undefined
}

/** Whether something of the VM in Proxmox can be changed: it was made, and by proxmint. */
function isThere({ phase, design }: Entry): boolean {
  return phase !== 'reserved' && design !== null
}

async function look(entry: Entry, { connection }: VmContext): Promise<Found> {
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

/** The edits of what was asked for. What else differs from the entry is for `apply`. */
async function editsOf(
  plan: EntryChange,
  before: Entry,
  found: Found | undefined,
  { connection }: VmContext,
): Promise<Edit[]> {
  const { design } = plan.entry
  if (found === undefined || design === null) return []
  const isAsked = plan.asked.includes('networks')
  const filters = isAsked ? await readIpFilters(connection.client, found.vm, design) : new Map()
  return [...configEdits(plan, before, found), ...(isAsked ? filterEdits(design, plan.entry, filters) : [])]
}

function configEdits({ entry, asked }: EntryChange, before: Entry, { config, running }: Found): Edit[] {
  const { design } = entry
  if (design === null || before.design === null) return []
  const others = pricedEdits({ ...before, design: before.design }, config, running)
  return [
    ...askedAmong(pricedEdits({ ...entry, design }, config, running), others, asked),
    ...bootEdits(entry, asked, config),
  ]
}

/** Whether it starts with its node: for `apply`, Terraform does this together with the power. */
function bootEdits(entry: Entry, asked: string[], config: VmConfig): Edit[] {
  const onBoot = entry.design?.onBoot
  // A VM that is to be off gets it when it is started.
  if (!asked.includes('onBoot') || onBoot === undefined || !isToRun(entry)) return []
  const [from, to] = [Number(config['onboot'] ?? 0) === 1, onBoot].map(on => (on ? 'on' : 'off')) as [
    string,
    string,
  ]
  if (from === to) return []
  const change: Change = { what: 'on boot', from, to, cost: null }
  return [{ change, effect: 'nothing', set: { onboot: Number(onBoot) } }]
}

function refusedBy({ entry, asked }: EntryChange, wishes: VmWishes, found: Found | undefined): ChangeLine[] {
  const refused = (what: string, from: string, to: string, why: string): ChangeLine => ({
    ...{ what, from, to, why },
    costs: 'impossible',
  })
  const has = found && sizeOf(found.config)
  const shrinks = wishes.disk !== undefined && has !== undefined && wishes.disk < has
  const isSized = asked.includes('memory') || asked.includes('balloon')
  const faults = entry.design === null || !isSized ? [] : contradictions(entry.design)
  return [
    ...(shrinks ? [refused('disk', `${has} GiB`, `${wishes.disk} GiB`, SHRINKS)] : []),
    ...faults.map(why => refused('balloon', '', '', why)),
  ]
}

const COST_OF: Record<Cost, ChangeLine['costs']> = { reboot: 'reboot', remove: 'device', 'data-loss': 'data' }

function lineOf({ change: { what, from, to, cost }, effect, grow }: Edit): ChangeLine {
  const costs = cost === null ? (effect === 'hot' ? 'hot' : 'nothing') : COST_OF[cost]
  const why =
    grow === undefined ? CHANGE_COSTS[costs] : 'it grows now; the guest uses the room after its next boot'
  return { what, from, to, costs, why }
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

/** Changes the VM. Where Proxmox refuses and the VM is as it was, the entry is as before, too. */
async function makeEdits(
  before: Entry,
  written: Entry,
  { edits, found: { vm, config, running } }: { edits: Edit[]; found: Found },
  context: VmContext,
): Promise<void> {
  if (edits.length === 0) return
  const { connection, store } = context
  const { client, config: settings } = connection
  const timeoutMs = settings.taskTimeoutSeconds * 1000
  const isRunning = running !== undefined
  try {
    await reshape(client, vm, edits, { config, runs: isRunning, timeoutMs })
  } catch (error) {
    const now =
      error instanceof ProxmoxApiError ? await getVmConfig(client, vm).catch(() => undefined) : undefined
    if (now === undefined || now['digest'] !== config['digest'] || written === before)
      throw resumableBy(written, error)
    await store.change(written, one => takenBack(one, before, messageOf(error)))
    throw error
  }
  checkpoint('vm-change-made')
  if (!isRunning || !edits.some(({ change }) => change.cost === 'reboot')) return
  // A seed ISO has new addresses only after the next `apply`.
  const isIso = written.design?.cloudInit.delivery === 'iso'
  const { addresses = [] } = isIso ? before : written
  const entry = { ...written, addresses, node: vm.node }
  await withProgress(`verify ${written.name}`, () => verifyAddress(entry, context))
}

function takenBack(now: Entry, before: Entry, why: string): Entry {
  const { design, purpose, expiresAt, addresses } = before
  const { ownerName: _, retired: __, addresses: ___, ...kept } = now
  const back = {
    ...kept,
    ...{ design, purpose, expiresAt },
    ...(addresses && { addresses }),
    ...(before.ownerName !== undefined && { ownerName: before.ownerName }),
    ...(before.retired !== undefined && { retired: before.retired }),
  }
  return withEvent(back, `taken back, since Proxmox refused it: ${why}`, new Date())
}

/** Writes down which disks and devices the VM got. */
function recordMade(
  written: Entry,
  edits: readonly Edit[],
  { vm }: Found,
  { connection, store }: VmContext,
): Promise<Entry> | Entry {
  if (edits.length === 0) return written
  return recordAttached({ ...written, node: vm.node }, connection.client, store)
}

/** Notes that nothing is left to take out of Proxmox, and where the VM is. */
async function finished(
  before: Entry,
  written: Entry,
  found: Found | undefined,
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

/** Formats a line for each change. */
export function formatChanges(name: string, changes: readonly ChangeLine[]): string {
  if (changes.length === 0) return `${name} has all of that already`
  const rows = changes.map(({ what, from, to, costs, why }) => [what, from, to, costs, why])
  return `${name}:\n${formatTable(['change', 'from', 'to', 'costs', 'and that means'], rows)}`
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

function impossible(name: string, refused: readonly ChangeLine[]): ProxmintError {
  const lines = refused.map(({ what, from, to, why }) => `  - ${what} ${from} -> ${to}: ${why}`)
  return new ProxmintError(`${name} was not changed, since this cannot be had:\n${lines.join('\n')}`, {
    hint: 'leave these options out; --plan-only shows what the others cost',
    exitCode: exitCodes.invalid,
  })
}

function resumableBy({ name }: Entry, error: unknown): unknown {
  if (!(error instanceof ProxmintError)) return error
  const again = `the change is in the registry; to finish it: zx scripts/apply.mts ${name}`
  return new ProxmintError(error.message, {
    facts: error.facts,
    hint: error.hint === undefined ? again : `${error.hint}\n${again}`,
    cause: error,
    exitCode: error.exitCode,
  })
}
