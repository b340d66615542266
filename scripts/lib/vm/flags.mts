import type { VmOption, VmOptionTable } from '../config/vm-option.mts'
import { VM_OPTIONS } from '../config/vm-options.mts'
import type { OptionSpec } from '../run/command-spec.mts'

/** Returns the flags of `vm create` that the table of options has, as `--help` shows them. */
export function createFlags(table: VmOptionTable = VM_OPTIONS): Record<string, OptionSpec> {
  return Object.fromEntries(
    Object.values(table).flatMap(option => {
      const { flag } = option.names
      return flag === undefined ? [] : [[flag, flagOf(option)]]
    }),
  )
}

function flagOf(option: VmOption): OptionSpec {
  const { kind, value, choices } = option
  return {
    type: kind === 'integer' ? 'integer' : kind === 'switch' ? 'boolean' : 'string',
    ...(kind === 'list' && { multiple: true, words: true }),
    ...(value !== undefined && { value }),
    ...(choices !== undefined && { choices }),
    help: helpOf(option),
  }
}

function helpOf(option: VmOption): string {
  const { fileKey } = option.names
  const help = helpWithUnit(option)
  if (fileKey === undefined) return help
  return `${help}; default: ${fileKey} of config/vm.yaml, or else ${option.default}`
}

export function helpWithUnit({ help, unit }: VmOption): string {
  return unit === undefined ? help : `${help}, in ${unit}`
}
