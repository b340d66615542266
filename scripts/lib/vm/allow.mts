/** The option `--allow COST`, by which a person agrees to what a change costs. */
import { type Arguments, usageError } from '../run/command-line.mts'
import type { OptionSpec } from '../run/command-spec.mts'
import { COSTS, type Cost } from '../terraform/costs.mts'

export function allowOption(help: string, choices: readonly Cost[] = COSTS): OptionSpec {
  return { type: 'string', multiple: true, value: 'COST', choices, help }
}

/**
 * Reads the option.
 * @param command that has it, and whose other words are the names of VMs.
 * @throws ProxmintError (usage) if data of all VMs may be lost: that is agreed to by name only.
 */
export function agreedTo(command: string, args: Arguments): ReadonlySet<Cost> {
  const allowed = new Set(args.strings('allow') as Cost[])
  if (allowed.has('data-loss') && args.positionals.length === 0) {
    throw usageError({ name: command }, '--allow data-loss needs the name of each VM that may lose its data')
  }
  return allowed
}
