import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util'
import { exitCodes, ProxmintError } from './errors.mts'
import { didYouMean, nearest } from './nearest.mts'

export interface OptionSpec {
  /** An `integer` is read by `integer()`, which knows its range. */
  type: 'string' | 'integer' | 'boolean'
  /** May be given more than once; its value is then an array. */
  multiple?: boolean
  /** Shown after the option in `--help`: `N`, `FILE`. */
  value?: string
  /** The only values it takes. */
  choices?: readonly string[]
  /** Its value where it is not given. */
  default?: string | number
  help: string
}

export interface CommandSpec {
  /** As typed: `zx scripts/NAME.mts`. */
  name: string
  summary: string
  /** What follows the name on the usage line. */
  usage: string
  options: Record<string, OptionSpec>
  /** Largest number of positional arguments. */
  positionals: number
  /** What it needs besides its arguments, by the names in tools/uses.mts. */
  uses: string[]
  /** Files it may write, from the project's root; `<...>` is one the caller names. */
  writes: string[]
  /** A call that works, shown in `--help`. */
  example: string
}

export interface Arguments {
  positionals: string[]
  string(name: string): string | undefined
  strings(name: string): string[]
  flag(name: string): boolean
  /** @throws ProxmintError (usage) when the value is no whole number in the range. */
  integer(name: string, range: { min: number; max: number }): number | undefined
}

const common: Record<string, OptionSpec> = {
  json: { type: 'boolean', help: 'print one JSON document on standard output, and nothing else there' },
  help: { type: 'boolean', help: 'print this text' },
}

/** @throws ProxmintError (usage) naming the unknown option and the nearest known one. */
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
  return { ...spec.options, ...common }
}

interface OptionToken {
  name: string
  /** As typed. */
  rawName: string
  value: string | undefined
  /** Whether an equals sign stood before the value. */
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
  // What looks like an option behind a space is one: nobody means a file named --json.
  const given = inlineValue === true || value?.startsWith('--') !== true ? value : undefined
  if (option.type !== 'boolean' && given === undefined)
    throw usageError(spec, `option \`${rawName}\` needs a value`)
  if (option.type === 'boolean' && value !== undefined)
    throw usageError(spec, `option \`${rawName}\` takes no value`)
  if (option.choices !== undefined) requireChoice(spec, `option \`${rawName}\` takes`, given!, option.choices)
}

/** @throws ProxmintError (usage) with what is accepted and the nearest of it. @param takes begins the sentence. */
export function requireChoice(
  spec: Pick<CommandSpec, 'name'>,
  takes: string,
  word: string,
  choices: readonly string[],
): void {
  if (choices.includes(word)) return
  throw usageError(spec, `${takes} ${choices.join(', ')}, not \`${word}\`${didYouMean(word, choices)}`)
}

export function usageError(spec: Pick<CommandSpec, 'name'>, message: string): ProxmintError {
  return new ProxmintError(message, {
    hint: `zx scripts/${spec.name}.mts --help`,
    exitCode: exitCodes.usage,
  })
}

/** The word that says what to do. @throws ProxmintError (usage) where it is none of `verbs`. */
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

/** The word after the verb. @throws ProxmintError (usage) where there is none. @param what it is: `a name`. */
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

/** The text of `--help`. */
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

/** The values of a `NAME=VALUE` option as an object. @throws ProxmintError (usage) for anything else. */
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
