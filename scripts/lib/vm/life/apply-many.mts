import { type Entry, phaseText } from '../../registry/entry.mts'
import type { Answer } from '../../run/answer.mts'
import { exitCodes, formatError, interrupted, messageOf } from '../../run/errors.mts'
import { say, withRow } from '../../run/progress.mts'
import { createSlots } from '../../run/slots.mts'
import { formatTable } from '../../run/table.mts'
import { type Cost, changesText } from '../../terraform/costs.mts'
import type { VmContext } from '../context.mts'
import { type Applied, applyVm } from './apply.mts'

/** The result of work on one VM. */
export type ApplyOutcome = { name: string; result: Applied } | { name: string; error: unknown }

interface ApplyRequest {
  planOnly: boolean
  /** Costs that a person agreed to, for each of the VMs. */
  allowed: ReadonlySet<Cost>
  /** Names of VMs that may lose their data, whatever `allowed` says. */
  replaceable: string[]
  /** The number of VMs at the same time. */
  parallel: number
}

/**
 * Applies several VMs; the others are done also where one fails.
 * @param names empty: all VMs, except those that were imported.
 */
export async function applyVms(
  names: string[],
  request: ApplyRequest,
  context: VmContext,
): Promise<ApplyOutcome[]> {
  const wanted = names.length > 0 ? [...new Set(names)] : await designedVms(context)
  const apply = (name: string) => () =>
    applyVm(name, { planOnly: request.planOnly, allowed: allowedFor(name, request) }, context)
  return inParallel(wanted, request.parallel, context.signal, name =>
    wanted.length === 1 ? apply(name)() : withRow(name, apply(name)),
  )
}

function allowedFor(name: string, { allowed, replaceable }: ApplyRequest): ReadonlySet<Cost> {
  return replaceable.includes(name) ? new Set([...allowed, 'data-loss' as const]) : allowed
}

/** Runs work on several VMs at the same time. @returns the outcomes in the order of the names. */
export async function inParallel(
  names: string[],
  parallel: number,
  signal: AbortSignal,
  work: (name: string) => Promise<Applied>,
): Promise<ApplyOutcome[]> {
  const slots = createSlots(() => parallel)
  const one = async (name: string): Promise<ApplyOutcome> => {
    if (signal.aborted) return { name, error: interrupted(name) }
    try {
      return { name, result: await work(name) }
    } catch (error) {
      return { name, error }
    }
  }
  return Promise.all(names.map(name => slots.use(['run'], () => one(name))))
}

async function designedVms({ store }: VmContext): Promise<string[]> {
  const entries: Entry[] = await store.list()
  return entries.filter(({ design }) => design !== null).map(({ name }) => name)
}

/**
 * Formats a row or an element for each VM. Failures are printed on standard error as well.
 * @throws the failure, where there is one VM only.
 */
export function answerFor(outcomes: ApplyOutcome[]): Answer {
  const [only] = outcomes
  if (outcomes.length === 1 && only !== undefined && 'error' in only) throw only.error
  const failures = outcomes.filter(outcome => 'error' in outcome)
  for (const { name, error } of failures) {
    say(`${name}: ${formatError(error)}`)
  }
  const exitCode = failures.length > 0 ? exitCodes.partial : exitCodes.done
  return { document: outcomes.map(documentOf), text: formatApply(outcomes), exitCode }
}

function documentOf(outcome: ApplyOutcome): object {
  if ('error' in outcome) return { name: outcome.name, error: messageOf(outcome.error) }
  return { name: outcome.name, ...outcome.result }
}

function formatApply(outcomes: ApplyOutcome[]): string {
  if (outcomes.length === 0) return 'there are no VMs; make one: zx scripts/vm.mts create NAME'
  const plans = outcomes.flatMap(outcome =>
    'result' in outcome && outcome.result.plan !== undefined
      ? [`${outcome.name}:\n${outcome.result.plan.trim()}`]
      : [],
  )
  const rows = outcomes.map(outcome => [outcome.name, ...cellsOf(outcome)])
  return [...plans, formatTable(['name', 'phase', 'VMID', 'address', 'result'], rows)].join('\n\n')
}

function cellsOf(outcome: ApplyOutcome): string[] {
  if ('error' in outcome) return ['', '', '', `failed: ${messageOf(outcome.error).split('\n')[0]}`]
  const { vmid, address } = outcome.result.entry
  return [phaseText(outcome.result.entry), String(vmid), address, resultText(outcome.result)]
}

function resultText({ did, changes = [] }: Applied): string {
  if (did === 'nothing') return 'nothing differs'
  return did === 'changed' && changes.length > 0 ? `changed: ${changesText(changes)}` : did
}
