/** The table of docs/vm-options.md that follows from the table of VM options. */
import { CHANGE_COSTS, type VmOption, type VmOptionTable } from '../../scripts/lib/config/vm-option.mts'
import { helpWithUnit, TOGGLE_WORDS } from '../../scripts/lib/vm/flags.mts'

/** Builds the tables in Markdown: the options, then the prices of a change. */
export function optionTables(table: VmOptionTable): string {
  return [
    '| `vm create` | fleet file | `config/vm.yaml` | decides | default | a later change costs |',
    '|---|---|---|---|---|---|',
    ...Object.values(table).map(row),
    '',
    '| a change costs | and that means |',
    '|---|---|',
    ...Object.entries(CHANGE_COSTS).map(([cost, meaning]) => `| ${cost} | ${meaning} |`),
  ].join('\n')
}

function row(option: VmOption): string {
  const { names, onWhen, change, changeNote } = option
  const { flag, fleetKey, fileKey } = names
  const cells = [
    code(flag && `--${flag}`),
    code(onWhen === undefined ? fleetKey : `${fleetKey}: ${onWhen}`),
    code(fileKey),
    [helpWithUnit(option), ...valuesOf(option)].join('; '),
    defaultOf(option),
    changeNote === undefined ? change : `${change}: ${changeNote}`,
  ]
  return `| ${cells.join(' | ')} |`
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``
}

function valuesOf({ range, choices, kind, fields }: VmOption): string[] {
  if (range !== undefined) return [`${range.min} to ${range.max}`]
  if (kind === 'toggle') return [TOGGLE_WORDS.map(code).join(' or ')]
  if (fields !== undefined) return [`keys: ${Object.keys(fields).map(code).join(', ')}`]
  return choices === undefined ? [] : [choices.map(code).join(' or ')]
}

function defaultOf({ default: fallback, names: { fileKey } }: VmOption): string {
  if (fallback === undefined || fileKey === undefined) return ''
  return Array.isArray(fallback) ? 'none' : code(String(fallback))
}
