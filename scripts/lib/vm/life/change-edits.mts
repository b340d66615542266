/** What a change asked for means for a VM as it was found: edits of its config, lines for a person, refusals. */
import { CHANGE_COSTS } from '../../config/vm-option.mts'
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import { type Entry, isToRun } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { formatTable } from '../../run/table.mts'
import type { Change, Cost } from '../../terraform/costs.mts'
import type { VmContext } from '../context.mts'
import type { LocatedVm } from '../look/locate.mts'
import { type ChangeLine, contradictions, type EntryChange, SHRINKS } from '../plan/change.mts'
import type { VmWishes } from '../plan/design.mts'
import { askedAmong } from '../shape/asked.mts'
import type { Edit } from '../shape/edit.mts'
import { filterEdits } from '../shape/ip-filters.mts'
import { pricedEdits } from '../shape/shape.mts'
import { readIpFilters } from '../stack/ip-filters.mts'
import { sizeOf } from '../stack/keep.mts'

/** A VM as it was found. */
export interface FoundVm {
  vm: LocatedVm
  /** With what waits for its next start. */
  config: VmConfig
  /** Undefined: it is off. */
  running: VmConfig | undefined
}

/** The edits of what was asked for. What else differs from the entry is for `apply`. */
export async function editsOf(
  plan: EntryChange,
  before: Entry,
  found: FoundVm | undefined,
  { connection }: VmContext,
): Promise<Edit[]> {
  const { design } = plan.entry
  if (found === undefined || design === null) return []
  const isAsked = plan.asked.includes('networks')
  const filters = isAsked ? await readIpFilters(connection.client, found.vm, design) : new Map()
  return [...configEdits(plan, before, found), ...(isAsked ? filterEdits(design, plan.entry, filters) : [])]
}

function configEdits({ entry, asked }: EntryChange, before: Entry, { config, running }: FoundVm): Edit[] {
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

/** What cannot be had of a VM as it was found, beside what `planEntryChange` refuses. */
export function refusedBy(
  { entry, asked }: EntryChange,
  wishes: VmWishes,
  found: FoundVm | undefined,
): ChangeLine[] {
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

/** Words an edit for a person, with its cost. */
export function changeLineOf({ change: { what, from, to, cost }, effect, grow }: Edit): ChangeLine {
  const costs = cost === null ? (effect === 'hot' ? 'hot' : 'nothing') : COST_OF[cost]
  const why =
    grow === undefined ? CHANGE_COSTS[costs] : 'it grows now; the guest uses the room after its next boot'
  return { what, from, to, costs, why }
}

/** Formats a line for each change. */
export function formatChanges(name: string, changes: readonly ChangeLine[]): string {
  if (changes.length === 0) return `${name} has all of that already`
  const rows = changes.map(({ what, from, to, costs, why }) => [what, from, to, costs, why])
  return `${name}:\n${formatTable(['change', 'from', 'to', 'costs', 'and that means'], rows)}`
}

/** Makes the error of a change that cannot be had. */
export function impossible(name: string, refused: readonly ChangeLine[]): ProxmintError {
  const lines = refused.map(({ what, from, to, why }) => `  - ${what} ${from} -> ${to}: ${why}`)
  return new ProxmintError(`${name} was not changed, since this is not possible:\n${lines.join('\n')}`, {
    hint: 'leave these options out; --plan-only shows what the others cost',
    exitCode: exitCodes.invalid,
  })
}
