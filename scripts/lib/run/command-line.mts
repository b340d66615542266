/** Parser of a command line by its specification. */

import { COMMON_OPTIONS, type CommandSpec, type NamedForm, type OptionSpec } from './command-spec.mts'
import { exitCodes, ProxmintError } from './errors.mts'
import { didYouMean, nearest, sharingWord } from './nearest.mts'
import { formOf, type OptionToken, type SplitLine, splitLine, type Word } from './words.mts'

export interface Arguments<V extends string = string> {
  /** First word of a command with verbs, otherwise empty. */
  verb: V
  /** Words beside options, with the verb. */
  positionals: string[]
  string(name: string): string | undefined
  strings(name: string): string[]
  flag(name: string): boolean
  /** @throws ProxmintError (usage) If the value is not a whole number in the range. */
  integer(name: string, range: { min: number; max: number; never?: true }): number | undefined
}

/** A command, or one of its verbs, for the hint of an error. */
interface CommandName {
  name: string
  verb?: string
}

/**
 * Parses the arguments after the script.
 * @throws ProxmintError (usage) for an unknown verb, an option that the verb does not have, or a malformed one.
 */
export function parseArguments<V extends string>(spec: CommandSpec<V>, argv: string[]): Arguments<V> {
  const line = splitLine(spec, argv)
  const form = formOf(spec, line)
  if (form === undefined) throw wrongVerb(spec, line)
  const own = { name: spec.name, verb: form.verb }
  const options = { ...form.options, ...COMMON_OPTIONS }
  for (const token of line.options) checkOption(own, optionNamed(spec, form, options, token), token)
  requireWords(own, form, line.words)
  const positionals = line.words.map(({ value }) => value)
  return accessors(own, options, valuesIn(line), positionals) as Arguments<V>
}

function wrongVerb(spec: CommandSpec, { words: [word] }: SplitLine): ProxmintError {
  const verbs = Object.keys(spec.verbs!)
  const say = verbs.length > 1 ? `say one of ${verbs.join(', ')}` : `say ${verbs[0]}`
  return usageError(
    spec,
    word === undefined ? say : `${say}, not \`${word.value}\`${didYouMean(word.value, verbs)}`,
  )
}

/** @throws ProxmintError (usage) for an option that the form does not have, with the one that was probably meant. */
function optionNamed(
  spec: CommandSpec,
  { verb }: NamedForm,
  options: Record<string, OptionSpec>,
  { name, rawName }: OptionToken,
): OptionSpec {
  const option = Object.hasOwn(options, name) ? options[name] : undefined
  if (option !== undefined) return option
  const own = Object.keys(options)
  const meant = sharingWord(name, own) ?? nearest(name, own)
  const others = Object.entries(spec.verbs ?? {}).filter(([, other]) => Object.hasOwn(other.options, name))
  if (others.length > 0) {
    const instead = meant === undefined ? '' : `; its option is --${meant}`
    const owners = others.map(([other]) => other).join(', ')
    throw usageError(
      { ...spec, verb },
      `${verb} has no ${rawName}, which is an option of ${owners}${instead}`,
    )
  }
  const question = meant === undefined ? '' : `; did you mean \`--${meant}\`?`
  throw usageError({ ...spec, verb }, `unknown option \`${rawName}\`${question}`)
}

function checkOption(own: CommandName, option: OptionSpec, token: OptionToken): void {
  const { rawName, value, inlineValue } = token
  // `--save --json` means "--save without a value": a following word that starts with `--` is never a value.
  const given = inlineValue === true || value?.startsWith('--') !== true ? value : undefined
  if (option.type !== 'boolean' && given === undefined)
    throw usageError(own, `option \`${rawName}\` needs a value`)
  if (option.type === 'boolean' && value !== undefined)
    throw usageError(own, `option \`${rawName}\` takes no value`)
  if (option.choices !== undefined) requireChoice(own, `option \`${rawName}\` takes`, given!, option.choices)
}

/** @throws ProxmintError (usage) for too many words, and for one that may belong to the option before it. */
function requireWords(own: CommandName, { verb, positionals }: NamedForm, words: Word[]): void {
  const [first, ...others] = verb === '' ? words : words.slice(1)
  const apart = others.find(({ after }) => after !== first?.after)
  if (apart !== undefined && positionals > 1) throw splitNames(own, first!, apart)
  const most = positionals + (verb === '' ? 0 : 1)
  if (words.length <= most) return
  const limit = positionals === 1 && verb !== '' ? `: \`${verb}\` takes one at a time` : ''
  throw usageError(own, `unexpected argument \`${words[most]!.value}\`${limit}`)
}

/** `create web-1 --purpose production web` must not make a second VM called `web`. */
function splitNames(own: CommandName, first: Word, { value, after }: Word): ProxmintError {
  return new ProxmintError(`\`${value}\` stands behind \`${after}\`, apart from \`${first.value}\``, {
    hint: `put quotes around a value of several words, and all names in one place; ${helpCommand(own)}`,
    exitCode: exitCodes.usage,
  })
}

/**
 * Checks that `word` is one of `choices`.
 * @param takes Beginning of the error's sentence: `option \`--for\` takes`.
 * @throws ProxmintError (usage) With the choices and the nearest of them.
 */
export function requireChoice(
  command: CommandName,
  takes: string,
  word: string,
  choices: readonly string[],
): void {
  if (choices.includes(word)) return
  throw usageError(command, `${takes} ${choices.join(', ')}, not \`${word}\`${didYouMean(word, choices)}`)
}

/** Error for a wrong call: exit code 2, and `--help` as the hint. */
export function usageError(command: CommandName, message: string): ProxmintError {
  return new ProxmintError(message, { hint: helpCommand(command), exitCode: exitCodes.usage })
}

function helpCommand({ name, verb }: CommandName): string {
  return ['zx', `scripts/${name}.mts`, verb, '--help'].filter(Boolean).join(' ')
}

/** Second word of the command line. @param what Describes it: `a name`. @throws ProxmintError (usage) If missing. */
export function wordAfterVerb(
  { name }: CommandName,
  { verb, positionals: [, word] }: Arguments,
  what: string,
): string {
  if (word === undefined) throw usageError({ name, verb }, `${verb} needs ${what}`)
  return word
}

/** Values by option, in the order they were given; an option without a value is an empty list. */
type Values = Map<string, string[]>

function valuesIn({ options, taken }: SplitLine): Values {
  const values: Values = new Map()
  for (const { name, value } of [...options, ...taken]) {
    values.set(name, [...(values.get(name) ?? []), ...(value === undefined ? [] : [value])])
  }
  return values
}

function accessors(
  own: CommandName,
  options: Record<string, OptionSpec>,
  values: Values,
  positionals: string[],
): Arguments {
  const string = (name: string): string | undefined =>
    values.get(name)?.at(-1) ?? options[name]?.default?.toString()
  return {
    verb: own.verb ?? '',
    positionals,
    string,
    strings: name => values.get(name) ?? [],
    flag: name => options[name]?.type === 'boolean' && values.has(name),
    integer(name, { min, max, never }) {
      const text = string(name)
      if (text === undefined) return undefined
      if (never && text === 'never') return Number.POSITIVE_INFINITY
      const number = Number(text)
      if (/^\d+$/.test(text) && number >= min && number <= max) return number
      throw usageError(
        own,
        `option \`--${name}\` takes a whole number from ${min} to ${max}${never ? ' or `never`' : ''}, not \`${text}\``,
      )
    },
  }
}

/** Parses the values of a `NAME=VALUE` option. @throws ProxmintError (usage) For any other form. */
export function assignments(command: CommandName, option: string, texts: string[]): Record<string, string> {
  const pairs = texts.map((text): [string, string] => {
    const match = /^(\w+)=([\s\S]*)$/.exec(text)
    if (match === null) throw usageError(command, `option \`--${option}\` takes NAME=VALUE, not \`${text}\``)
    return [match[1]!, match[2]!]
  })
  return Object.fromEntries(pairs)
}
