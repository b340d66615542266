/** Options and words of a command line: their specification, their parser and `--help`. */

import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util'
import { exitCodes, ProxmintError } from './errors.mts'
import { didYouMean, nearest } from './nearest.mts'

export interface OptionSpec {
  /** `integer()` checks the range of an `integer`. */
  type: 'string' | 'integer' | 'boolean'
  /** The option may be given more than once; `strings()` returns all values. */
  multiple?: boolean
  /** Shown after the option in `--help`: `N`, `FILE`. */
  value?: string
  /** Allowed values. Default: any. */
  choices?: readonly string[]
  /** Value if the option is missing. */
  default?: string | number
  help: string
}

export interface CommandSpec {
  /** Name of the entry: `zx scripts/NAME.mts`. */
  name: string
  summary: string
  /** Usage line after the name. */
  usage: string
  options: Record<string, OptionSpec>
  /** Largest number of positional arguments. */
  positionals: number
  /** Files, variables and services that the command needs, by the names in tools/uses.mts. */
  uses: string[]
  /** Files that the command may write, relative to the project's root; `<...>` is a file that the caller names. */
  writes: string[]
  /** Working call, shown in `--help`. */
  example: string
}

export interface Arguments {
  positionals: string[]
  string(name: string): string | undefined
  strings(name: string): string[]
  flag(name: string): boolean
  /** @throws ProxmintError (usage) If the value is not a whole number in the range. */
  integer(name: string, range: { min: number; max: number }): number | undefined
}

const COMMON_OPTIONS: Record<string, OptionSpec> = {
  json: { type: 'boolean', help: 'print one JSON document on standard output, and nothing else there' },
  help: { type: 'boolean', help: 'print this text' },
}

/** Parses the arguments after the script. @throws ProxmintError (usage) For an unknown or malformed option. */
export function parseArguments(spec: CommandSpec, argv: string[]): Arguments {
  const options = allOptions(spec)
  const descriptors = Object.fromEntries(
    Object.entries(options).map(([name, o]): [string, ParseArgsOptionDescriptor] => [
      name,
      { type: o.type === 'boolean' ? 'boolean' : 'string', multiple: o.multiple ?? false },
    ]),
  )
  const parsed = parseArgs({
    args: argv,
    options: descriptors,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of parsed.tokens) {
    if (token.kind === 'option') checkOption(spec, options, token)
  }
  if (parsed.positionals.length > spec.positionals) {
    throw usageError(spec, `unexpected argument \`${parsed.positionals[spec.positionals]}\``)
  }
  return accessors(spec, parsed.values, parsed.positionals)
}

function allOptions(spec: CommandSpec): Record<string, OptionSpec> {
  return { ...spec.options, ...COMMON_OPTIONS }
}

interface OptionToken {
  name: string
  /** As typed. */
  rawName: string
  value: string | undefined
  /** True for `--name=value`, false for `--name value`. */
  inlineValue: boolean | undefined
}

function checkOption(
  spec: CommandSpec,
  options: Record<string, OptionSpec>,
  { name, rawName, value, inlineValue }: OptionToken,
): void {
  const option = options[name]
  if (option === undefined) {
    const known = nearest(name, Object.keys(options))
    throw usageError(
      spec,
      `unknown option \`${rawName}\`${known === undefined ? '' : `; did you mean \`--${known}\`?`}`,
    )
  }
  // `--save --json` means "--save without a value": a following word that starts with `--` is never a value.
  const given = inlineValue === true || value?.startsWith('--') !== true ? value : undefined
  if (option.type !== 'boolean' && given === undefined)
    throw usageError(spec, `option \`${rawName}\` needs a value`)
  if (option.type === 'boolean' && value !== undefined)
    throw usageError(spec, `option \`${rawName}\` takes no value`)
  if (option.choices !== undefined) requireChoice(spec, `option \`${rawName}\` takes`, given!, option.choices)
}

/**
 * Checks that `word` is one of `choices`.
 * @param takes Beginning of the error's sentence: `option \`--for\` takes`.
 * @throws ProxmintError (usage) With the choices and the nearest of them.
 */
export function requireChoice(
  spec: Pick<CommandSpec, 'name'>,
  takes: string,
  word: string,
  choices: readonly string[],
): void {
  if (choices.includes(word)) return
  throw usageError(spec, `${takes} ${choices.join(', ')}, not \`${word}\`${didYouMean(word, choices)}`)
}

/** Error for a wrong call: exit code 2, and `--help` as the hint. */
export function usageError(spec: Pick<CommandSpec, 'name'>, message: string): ProxmintError {
  return new ProxmintError(message, {
    hint: `zx scripts/${spec.name}.mts --help`,
    exitCode: exitCodes.usage,
  })
}

/** First word of the command line. @throws ProxmintError (usage) If it is missing or not one of `verbs`. */
export function verbOf<V extends string>(
  spec: Pick<CommandSpec, 'name'>,
  { positionals }: Arguments,
  verbs: readonly V[],
): V {
  const [word] = positionals
  const say = verbs.length > 1 ? 'say one of' : 'say'
  if (word === undefined) throw usageError(spec, `${say} ${verbs.join(', ')}`)
  requireChoice(spec, say, word, verbs)
  return word as V
}

/** Second word of the command line. @param what Describes it: `a name`. @throws ProxmintError (usage) If missing. */
export function wordAfterVerb(
  spec: Pick<CommandSpec, 'name'>,
  { positionals: [verb, word] }: Arguments,
  what: string,
): string {
  if (word === undefined) throw usageError(spec, `${verb} needs ${what}`)
  return word
}

type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

function accessors(spec: CommandSpec, values: Values, positionals: string[]): Arguments {
  const string = (name: string): string | undefined => {
    const value = values[name]
    return typeof value === 'string' ? value : spec.options[name]?.default?.toString()
  }
  return {
    positionals,
    string,
    strings(name) {
      const value = values[name]
      return Array.isArray(value) ? value.filter(v => typeof v === 'string') : []
    },
    flag: name => values[name] === true,
    integer(name, { min, max }) {
      const text = string(name)
      if (text === undefined) return undefined
      const number = Number(text)
      if (/^\d+$/.test(text) && number >= min && number <= max) return number
      throw usageError(
        spec,
        `option \`--${name}\` takes a whole number from ${min} to ${max}, not \`${text}\``,
      )
    },
  }
}

/** Text of `--help`. */
export function helpText(spec: CommandSpec): string {
  const options = Object.entries(allOptions(spec)).map(([name, option]): [string, string] => [
    option.value === undefined ? `--${name}` : `--${name} ${option.value}`,
    option.default === undefined ? option.help : `${option.help}; default ${option.default}`,
  ])
  const width = Math.max(...options.map(([left]) => left.length))
  return [
    `zx scripts/${spec.name}.mts ${spec.usage}`,
    '',
    spec.summary,
    '',
    ...options.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    '',
    `Example: ${spec.example}`,
    'Exit codes: docs/exit-codes.md',
  ].join('\n')
}

/** Parses the values of a `NAME=VALUE` option. @throws ProxmintError (usage) For any other form. */
export function assignments(
  spec: Pick<CommandSpec, 'name'>,
  option: string,
  texts: string[],
): Record<string, string> {
  const pairs = texts.map((text): [string, string] => {
    const match = /^(\w+)=([\s\S]*)$/.exec(text)
    if (match === null) throw usageError(spec, `option \`--${option}\` takes NAME=VALUE, not \`${text}\``)
    return [match[1]!, match[2]!]
  })
  return Object.fromEntries(pairs)
}
