/** The verb that changes VMs in place: change. */

import { requireEntry } from '../../registry/revise.mts'
import type { RegistryStore } from '../../registry/store.mts'
import type { Answer } from '../../run/answer.mts'
import { type Arguments, usageError } from '../../run/command-line.mts'
import { counted } from '../../run/counted.mts'
import { exitCodes, formatError, messageOf } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import { agreedTo } from '../allow.mts'
import type { VmContext } from '../context.mts'
import { type Changed, changeVm } from '../life/change.mts'
import { formatChanges } from '../life/change-edits.mts'
import { changeKeys } from '../life/change-keys.mts'
import { openContext } from '../open.mts'
import type { VmWishes } from '../plan/design.mts'
import { wantedVms } from '../plan/wishes.mts'
import { type Verbs, vmSpec } from './verb.mts'

export const changeVerbs: Verbs = {
  async change({ store, site, signal }, args) {
    const wanted = await wantedVms(args)
    const options = { planOnly: args.flag('plan-only'), allowed: agreedTo('vm', args) }
    const writesKeys = args.flag('write-keys') && !options.planOnly
    if (wanted.size === 1 || args.string('from') === undefined) await requireAll(store, [...wanted.keys()])
    const context = await openContext(store, site, signal)
    const outcomes: Outcome[] = []
    for (const [vm, wishes] of wanted) {
      const work = () => changeOne(vm, wishes, { ...options, writesKeys }, context)
      outcomes.push(await work().catch((error: unknown) => ({ name: vm, error })))
    }
    return answerFor(outcomes, args)
  },
}

type Outcome = { name: string; result: Changed; keys: number } | { name: string; error: unknown }

async function requireAll(store: RegistryStore, names: string[]): Promise<void> {
  for (const name of names) await requireEntry(store, name)
}

async function changeOne(
  name: string,
  wishes: VmWishes,
  { writesKeys, ...options }: Parameters<typeof changeVm>[2] & { writesKeys: boolean },
  context: VmContext,
): Promise<Outcome> {
  const result = await changeVm(name, wishes, options, context)
  return { name, result, keys: writesKeys ? await changeKeys(name, context) : 0 }
}

/** @throws the failure, where there is one VM only. */
function answerFor(outcomes: Outcome[], args: Arguments): Answer {
  const [only] = outcomes
  if (only === undefined) throw usageError(vmSpec, 'change needs a name, or --from FILE')
  if (outcomes.length === 1 && 'error' in only) throw only.error
  const failed = outcomes.filter(outcome => 'error' in outcome)
  for (const { name, error } of failed) say(`${name}: ${formatError(error)}`)
  const documents = outcomes.map(documentOf)
  return {
    document: args.string('from') === undefined && documents.length === 1 ? documents[0] : documents,
    text: outcomes.map(textOf).join('\n\n'),
    exitCode: failed.length > 0 ? exitCodes.partial : exitCodes.done,
  }
}

function documentOf(outcome: Outcome): object {
  if ('error' in outcome) return { name: outcome.name, error: messageOf(outcome.error) }
  const { name, result, keys } = outcome
  return { name, did: result.did, changes: result.changes, keysWritten: keys, entry: result.entry }
}

function textOf(outcome: Outcome): string {
  if ('error' in outcome) return `${outcome.name}: failed: ${messageOf(outcome.error).split('\n')[0]}`
  const { name, result, keys } = outcome
  const next: Record<Changed['did'], string> = {
    planned:
      'Nothing was changed. To do it: the same without --plan-only, and with the words that it needs: --allow reboot, remove, data-loss.',
    changed: 'That is done.',
    nothing: '',
  }
  const written = keys === 0 ? '' : `${counted(keys, 'SSH key')} of today can log in to ${name}.`
  return [formatChanges(name, result.changes), next[result.did], written].filter(Boolean).join('\n')
}
