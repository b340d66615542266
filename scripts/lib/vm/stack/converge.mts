/** Brings a VM in Proxmox to what its entry says, or plans that. */
import { getRunningConfig, getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { waitForTask } from '../../proxmox/task.mts'
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { Connection } from '../../site/connect.mts'
import { deleteUnfinished } from '../../site/remove-leftovers.mts'
import {
  type Agreement,
  type Change,
  COSTS,
  type Cost,
  changesText,
  costsOf,
  requireAllowed,
} from '../../terraform/costs.mts'
import type { VmContext } from '../context.mts'
import { requireNoBarrier, requireNoLock } from '../look/barriers.mts'
import {
  followVm,
  type LocatedVm,
  locateVm,
  recordNode,
  requireMade,
  requireMarked,
  requireOwnVm,
  requireThere,
} from '../look/locate.mts'
import { requireNoLoss } from '../look/losses.mts'
import { slotsOf } from '../look/parts.mts'
import { requireUnused } from '../look/unused.mts'
import { changesIn, type Edit } from '../shape/edit.mts'
import { inheritedEdits } from '../shape/inherited.mts'
import { filterEdits } from '../shape/ip-filters.mts'
import { pricedEdits } from '../shape/shape.mts'
import { type Keep, requireDesign, writeVmFolder } from './folder.mts'
import { readIpFilters } from './ip-filters.mts'
import { asItIs, asOthersLeftIt, asTemplateHas } from './keep.mts'
import { recordAdded, recordAttached, recordSize } from './record-size.mts'
import { entryOfFolder } from './remove-folder.mts'
import { reshape } from './reshape.mts'
import { settleCards } from './settle-cards.mts'
import { type TerraformStep, type VmTerraform, withTerraform } from './terraform-run.mts'

/** What a VM is to become, and what it may cost. */
interface Goal {
  /** Whether the VM runs afterwards. */
  started: boolean
  /** `create`: the VM never ran, so that nothing is lost where it is made anew. `update`: its disk is kept. */
  intent: 'create' | 'update'
  /** Costs that a person agreed to. With `data-loss` a VM that is missing is made anew, and a plan may replace it. */
  allowed?: ReadonlySet<Cost>
  /** Changes only the power and the user-data: what differs from the entry stays. */
  asItIs?: boolean
  /** Leave out: all of it. `user-data`: Terraform plans nothing else. */
  scope?: 'user-data'
  /** Plans, and applies nothing. */
  planOnly?: boolean
  /** Names the checkpoints of the apply. */
  step?: TerraformStep
}

interface Converged {
  /** As in the registry, with the node the VM was found on. */
  entry: Entry
  /** What was applied, or would be; empty for a VM that was just made. */
  changes: Change[]
  /** Whether anything was applied. */
  changed: boolean
  /** The plan for a person, with `planOnly`. */
  plan?: string
}

/** A VM as it was found. */
interface Found {
  vm: LocatedVm
  config: VmConfig
}

/**
 * Locates the VM of an entry, writes its folder for the node it is on, and runs Terraform there. What proxmint does not
 * manage stays as Proxmox has it. A node that is new is written down last. The caller holds the VM's lock.
 * @throws ProxmintError where the VM is missing, somebody else's or locked, and where the guard refuses the plan.
 */
export async function converge(before: Entry, goal: Goal, context: VmContext): Promise<Converged> {
  const { connection, store, signal } = context
  requireWhole(before)
  const { vm, config, entry: located } = await followVm(connection, before, checkFor(goal))
  if (!mayCreate(goal)) requireThere(before, vm)
  const found = vm === undefined || config === undefined ? undefined : { vm, config }
  requireNoLock(before.name, vm)
  requireUnused(before, vm)
  const isToWrite = !goal.planOnly && goal.intent === 'update'
  const entry = isToWrite && found !== undefined ? await recordFound(located, found.config, store) : located
  const wasBegun = goal.intent === 'create' && (await entryOfFolder(entry.name)) === entry.id
  const keep = await keepFor(entry, found, goal, connection)
  const folder = await writeVmFolder(connection, entry, goal.started, keep)
  const done = await withTerraform(connection, { entry, folder }, signal, terraform =>
    run(terraform, { entry, found, goal, wasBegun }, connection),
  )
  if (!goal.planOnly) await recordNode(before, vm, store)
  const isToRecord = isToWrite && done.changed
  const recorded = isToRecord ? await recordAttached(entry, connection.client, store) : entry
  if (isToWrite && vm !== undefined) await settleCards(recorded, vm, connection, store, true)
  return { ...done, entry: recorded }
}

/** Takes over what somebody did to the disks in Proxmox. */
async function recordFound(entry: Entry, config: VmConfig, store: VmContext['store']): Promise<Entry> {
  return recordAdded(await recordSize(entry, config, store), config, store)
}

/** Name and tag of a VM that ran are put back, unless all of it is to stay. */
function checkFor({ intent, asItIs }: Goal): typeof requireOwnVm {
  return intent === 'update' && asItIs !== true ? requireMarked : requireOwnVm
}

/** Terraform would make a VM that somebody destroyed once more, with an empty disk. */
function mayCreate({ intent, allowed, planOnly }: Goal): boolean {
  return intent === 'create' || allowed?.has('data-loss') === true || planOnly === true
}

/** What stays of a VM that is there; of one that is to be made, what its VM template decides. */
async function keepFor(
  entry: Entry,
  found: Found | undefined,
  goal: Goal,
  { client }: Connection,
): Promise<Keep> {
  if (found !== undefined) {
    const keep = goal.asItIs === true ? asItIs : asOthersLeftIt
    return settings => keep(settings, found.config)
  }
  const { template, cloudInit } = requireDesign(entry)
  if (cloudInit.delivery === 'snippet' || template === null) return settings => settings
  const config = await getVmConfig(client, template)
  return settings => asTemplateHas(settings, config)
}

interface Run {
  entry: Entry
  found: Found | undefined
  goal: Goal
  /** An earlier run wrote the folder of this entry, to make the VM. */
  wasBegun: boolean
}

async function run(
  terraform: VmTerraform,
  before: Run,
  connection: Connection,
): Promise<Pick<Converged, 'changed' | 'changes' | 'plan'>> {
  const { entry, goal } = before
  const isNew = goal.intent === 'create'
  const agreement = agreementFor(entry, goal)
  const present = isNew ? await madeWhole(terraform, before, connection) : before.found
  const planned = await terraform.plan(present === undefined ? 'create' : 'update', agreement, goal.scope)
  if (planned.replaces && !isNew && present !== undefined)
    await requireNoLoss(connection.client, entry, present, agreement, ['remove', 'data-loss'])
  const edits = present === undefined || goal.asItIs ? [] : await editsFor(connection, entry, present)
  const beside = changesIn(edits)
  const changes = [...planned.changes, ...beside]
  const changed = planned.isNeeded || changes.length > 0
  if (goal.planOnly) {
    const text = planned.isNeeded ? await terraform.planText() : ''
    return { changed: false, changes, plan: planText(beside, text, costsOf(changes)) }
  }
  requireAllowed(entry.name, changes, agreement)
  if (planned.replaces) requireNoBarrier(entry.name, present?.vm)
  if (changes.length > 0 && !isNew) say(`changes ${entry.name}: ${changesText(changes)}`)
  if (present !== undefined && !planned.replaces) await reshapeFound(connection, present, edits)
  if (planned.isNeeded) await terraform.apply(goal.intent, goal.step)
  if (present === undefined || planned.replaces) await shapeNew(entry, connection)
  return { changed, changes }
}

/**
 * Finds the VM that an earlier run made whole, when no OpenTofu of it works any more. A VM that it left half-made is
 * removed.
 */
async function madeWhole(
  terraform: VmTerraform,
  { entry, found, goal, wasBegun }: Run,
  connection: Connection,
): Promise<Found | undefined> {
  if (found === undefined && !wasBegun) return undefined
  const isKnown = await terraform.knowsVm()
  // An OpenTofu that outlived its run may have ended since the last look.
  const made = entry.phase === 'reserved' ? await lookAgain(entry, goal, connection) : found
  if (made === undefined || isKnown) return made
  await removeHalfMade(entry, goal, connection)
  return undefined
}

/** Looks at the VM once more, and writes the folder for it. */
async function lookAgain(entry: Entry, goal: Goal, connection: Connection): Promise<Found | undefined> {
  const { vm, config } = await followVm(connection, entry, checkFor(goal))
  requireNoLock(entry.name, vm)
  const found = vm === undefined || config === undefined ? undefined : { vm, config }
  await writeVmFolder(connection, entry, goal.started, await keepFor(entry, found, goal, connection))
  return found
}

/** A VM that never ran has nothing to lose. A plan alone is shown whatever it costs, unless it takes the whole VM. */
function agreementFor({ name }: Entry, { intent, allowed = new Set(), planOnly }: Goal): Agreement {
  const shown: Cost[] = planOnly ? ['reboot', 'remove'] : []
  return {
    allowed: intent === 'create' ? new Set(COSTS) : new Set([...allowed, ...shown]),
    again: `zx scripts/apply.mts ${name}`,
  }
}

/** A VM whose config may be changed. */
interface Shaped {
  vm: Pick<LocatedVm, 'node' | 'vmid' | 'status'>
  config: VmConfig
}

/** What of a VM differs from its entry and is changed by the API, with what that costs now. */
async function editsFor({ client }: Connection, entry: Entry, { vm, config }: Shaped): Promise<Edit[]> {
  const running = vm.status === 'running' ? await getRunningConfig(client, vm) : undefined
  const design = requireDesign(entry)
  const filters = filterEdits(design, entry, await readIpFilters(client, vm, design))
  return [...pricedEdits({ ...entry, design }, config, running), ...filters]
}

function reshapeFound({ client, config }: Connection, found: Shaped, edits: Edit[]): Promise<void> {
  return reshape(client, found.vm, edits, {
    config: found.config,
    runs: found.vm.status === 'running',
    timeoutMs: config.taskTimeoutSeconds * 1000,
  })
}

/** Gives a new clone what Terraform does not decide. Everything else is as in its VM template. */
async function shapeNew(entry: Entry, connection: Connection): Promise<void> {
  const vm = { node: entry.node!, vmid: entry.vmid, status: 'stopped' as const }
  await requireMade(connection, entry)
  const found = { vm, config: await getVmConfig(connection.client, vm) }
  // Also the cards of the VM template are ours: those that the design does not have leave.
  const ours = { ...entry, design: { ...requireDesign(entry), made: slotsOf(found.config) } }
  const edits = await editsFor(connection, ours, found)
  await reshapeFound(connection, found, [...edits, ...inheritedEdits(ours.design, found.config)])
}

function planText(beside: Change[], plan: string, costs: Cost[]): string {
  const lines = [
    costs.length > 0 ? `It needs ${costs.map(cost => `--allow ${cost}`).join(' ')}.` : '',
    beside.length > 0 ? `Beside Terraform: ${changesText(beside)}` : '',
    plan,
  ].filter(Boolean)
  return lines.length === 0 ? 'nothing differs' : lines.join('\n')
}

/** Removes a VM that a run left which died between the clone and the state, and writes the folder for a new one. */
async function removeHalfMade(entry: Entry, goal: Goal, connection: Connection): Promise<void> {
  const { client, config } = connection
  // Looked at again: Terraform took its time to begin, and the VMID may be another VM's by now.
  const vm = await locateVm(connection, entry)
  requireNoBarrier(entry.name, vm)
  requireUnused(entry, vm)
  if (vm !== undefined) {
    const upid = await deleteUnfinished(client, vm)
    await waitForTask(client, upid, { timeoutMs: config.taskTimeoutSeconds * 1000 })
  }
  await writeVmFolder(connection, entry, goal.started, await keepFor(entry, undefined, goal, connection))
}

/** Terraform would make an empty disk for a VM between two root disks. */
function requireWhole({ name, rebuild }: Entry): void {
  if (rebuild === undefined || rebuild.swapped) return
  throw new ProxmintError(`the ${rebuild.kind} of ${name} is not finished`, {
    hint: `first zx scripts/apply.mts ${name}; or, to have the system of before: zx scripts/vm.mts rebuild ${name} --undo`,
    exitCode: exitCodes.invalid,
  })
}
