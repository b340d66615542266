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

/** Returns the same flags as `vm change` has them: nothing is changed that was not given. */
export function changeFlags(table: VmOptionTable = VM_OPTIONS): Record<string, OptionSpec> {
  const helps = Object.values<VmOption>(table).map(option => [option.names.flag, helpWithUnit(option)])
  const byFlag = Object.fromEntries(helps) as Record<string, string>
  return Object.fromEntries(
    Object.entries(createFlags(table)).map(([flag, spec]) => [flag, { ...spec, help: byFlag[flag]! }]),
  )
}

function flagOf(option: VmOption): OptionSpec {
  const { kind, value } = option
  const choices = kind === 'toggle' ? TOGGLE_WORDS : option.choices
  return {
    type: kind === 'integer' ? 'integer' : kind === 'switch' ? 'boolean' : 'string',
    ...(kind === 'list' && { multiple: true, words: true }),
    ...((kind === 'records' || kind === 'map') && { multiple: true }),
    ...(value !== undefined && { value }),
    ...(choices !== undefined && { choices }),
    help: helpOf(option),
  }
}

/** What a `toggle` takes on the command line. */
export const TOGGLE_WORDS = ['on', 'off'] as const

function helpOf(option: VmOption): string {
  const { fileKey } = option.names
  const help = helpWithUnit(option)
  if (fileKey === undefined) return help
  if (option.default === undefined) return `${help}; default: ${fileKey} of config/vm.yaml`
  return `${help}; default: ${fileKey} of config/vm.yaml, or else ${option.default}`
}

export function helpWithUnit({ help, unit }: Pick<VmOption, 'help' | 'unit'>): string {
  return unit === undefined ? help : `${help}, in ${unit}`
}
