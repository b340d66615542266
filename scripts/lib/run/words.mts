/** Splits a command line into options and words. */

import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util'
import { type CommandSpec, type NamedForm, type OptionSpec, optionsOfAll } from './command-spec.mts'

export interface OptionToken {
  name: string
  /** As typed. */
  rawName: string
  value: string | undefined
  /** True for `--name=value`, false for `--name value`. */
  inlineValue: boolean | undefined
}

/** Word that is not the value of an option. */
export interface Word {
  value: string
  /** Option with a value that stands before the word, as typed. */
  after: string | undefined
}

export interface SplitLine {
  options: OptionToken[]
  /** Further values of options that take several words. */
  taken: { name: string; value: string }[]
  words: Word[]
}

/** Splits a command line by the options of all verbs. Nothing is checked. */
export function splitLine(spec: CommandSpec, argv: string[]): SplitLine {
  const options = optionsOfAll(spec)
  const line: SplitLine = { options: [], taken: [], words: [] }
  let taker: string | undefined
  let after: string | undefined
  for (const token of tokensOf(options, argv)) {
    if (token.kind === 'positional') {
      if (taker === undefined) line.words.push({ value: token.value, after })
      else line.taken.push({ name: taker, value: token.value })
      continue
    }
    taker = undefined
    if (token.kind === 'option-terminator') continue
    const option = options[token.name]
    line.options.push({ ...token, value: token.value, inlineValue: token.inlineValue })
    if (option?.words && token.inlineValue === false) taker = token.name
    if (option !== undefined && option.type !== 'boolean') after = token.rawName
  }
  return line
}

function tokensOf(options: Record<string, OptionSpec>, argv: string[]) {
  const descriptors = Object.entries(options).map(([name, { type }]): [string, ParseArgsOptionDescriptor] => [
    name,
    { type: type === 'boolean' ? 'boolean' : 'string', multiple: true },
  ])
  return parseArgs({
    args: argv,
    options: Object.fromEntries(descriptors),
    strict: false,
    allowPositionals: true,
    tokens: true,
  }).tokens
}

/** Form that the first word asks for; undefined if the command has verbs and the word is none of them. */
export function formOf(spec: CommandSpec, { words }: SplitLine): NamedForm | undefined {
  if (spec.verbs === undefined) return { ...spec, verb: '' }
  const verb = words[0]?.value ?? ''
  return Object.hasOwn(spec.verbs, verb) ? { ...spec.verbs[verb]!, verb } : undefined
}
