import { type Entry, isToRun } from '../../registry/entry.mts'
import type { Answer } from '../../run/answer.mts'
import { type Arguments, usageError } from '../../run/command-line.mts'
import { hostsLinesOf, inventoryOf, sshConfigOf } from '../look/inventory.mts'

const TEXTS: Record<string, (entries: Entry[]) => string> = {
  inventory: entries => JSON.stringify(inventoryOf(entries), null, 2),
  'ssh-config': sshConfigOf,
  hosts: hostsLinesOf,
}

/** Lists VMs in the words of another tool, where one is asked for. Without --phase, those that are to run. */
export function listForTool(entries: Entry[], args: Arguments): Answer | undefined {
  const [tool, another] = Object.keys(TEXTS).filter(one => args.flag(one))
  if (tool === undefined) return undefined
  if (another !== undefined)
    throw usageError({ name: 'vm', verb: 'list' }, `say --${tool} or --${another}, not both`)
  const chosen = args.string('phase') === undefined ? entries.filter(isToRun) : entries
  return { document: inventoryOf(chosen), text: TEXTS[tool]!(chosen) }
}
