/** Texts of `--help`. */

import { COMMON_OPTIONS, type CommandForm, type CommandSpec, type VerbSpec } from './command-spec.mts'
import { formOf, splitLine } from './words.mts'

/** Text of `--help`: of the verb that the words name, or else of the whole command. */
export function helpText(spec: CommandSpec, argv: string[] = []): string {
  const form = formOf(spec, splitLine(spec, argv))
  if (form === undefined) return helpOfVerbs(spec, Object.entries(spec.verbs!))
  const summary = form.verb === '' ? spec.summary : spec.verbs![form.verb]!.summary
  return page(spec, [form.verb, form.usage], summary, optionLines({ ...form.options, ...COMMON_OPTIONS }))
}

function helpOfVerbs(spec: CommandSpec, verbs: [string, VerbSpec][]): string {
  const lines = verbs.map(([verb, { usage, summary }]): [string, string] => [`${verb} ${usage}`, summary])
  const narrow = lines.flatMap(([call, summary]) => [`  ${call.trimEnd()}`, `      ${summary}`])
  return page(spec, ['VERB ...'], spec.summary, [
    ...narrow,
    '',
    `Options of a verb: zx scripts/${spec.name}.mts VERB --help`,
  ])
}

function page(spec: CommandSpec, words: string[], summary: string, lines: string[]): string {
  const call = [`zx scripts/${spec.name}.mts`, ...words].filter(Boolean).join(' ')
  return [
    call,
    '',
    summary,
    '',
    ...lines,
    '',
    `Example: ${spec.example}`,
    'Exit codes: docs/exit-codes.md',
  ].join('\n')
}

function optionLines(options: CommandForm['options']): string[] {
  const lines = Object.entries(options).map(([name, option]): [string, string] => [
    option.value === undefined ? `--${name}` : `--${name} ${option.value}${option.words ? '...' : ''}`,
    option.default === undefined ? option.help : `${option.help}; default ${option.default}`,
  ])
  const width = Math.max(...lines.map(([left]) => left.length))
  return lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
