/** Specification of a command line: verbs, options and words. */

export interface OptionSpec {
  /** `integer()` checks the range of an `integer`. */
  type: 'string' | 'integer' | 'boolean'
  /** The option may be given more than once; `strings()` returns all values. */
  multiple?: boolean
  /** The option takes all words up to the next option: `--tags web production`. */
  words?: boolean
  /** Shown after the option in `--help`: `N`, `FILE`. */
  value?: string
  /** Allowed values. Default: any. */
  choices?: readonly string[]
  /** Value if the option is missing. */
  default?: string | number
  help: string
}

/** Words and options that follow the name of a command, or its verb. */
export interface CommandForm {
  /** Usage line after the name or the verb. */
  usage: string
  options: Record<string, OptionSpec>
  /** Largest number of positional arguments. The verb is not counted. */
  positionals: number
}

export interface VerbSpec extends CommandForm {
  summary: string
}

/** A command has one form, or verbs with a form each. */
export type CommandSpec<V extends string = string> = {
  /** Name of the entry: `zx scripts/NAME.mts`. */
  name: string
  summary: string
  /** Files, variables and services that the command needs, by the names in tools/uses.mts. */
  uses: string[]
  /** Files that the command may write, relative to the project's root; `<...>` is a file that the caller names. */
  writes: string[]
  /** Working call, shown in `--help`. */
  example: string
} & ((CommandForm & { verbs?: undefined }) | { verbs: Record<V, VerbSpec> })

/** Form of a command, or of one of its verbs. */
export type NamedForm = CommandForm & {
  /** Empty for a command without verbs. */
  verb: string
}

/** Options of every command. */
export const COMMON_OPTIONS: Record<string, OptionSpec> = {
  json: { type: 'boolean', help: 'print one JSON document on standard output, and nothing else there' },
  help: { type: 'boolean', help: 'print this text' },
}

/** Options of all verbs. Two verbs may have an option of one name, with the same type. */
export function optionsOfAll(spec: CommandSpec): Record<string, OptionSpec> {
  const forms: CommandForm[] = spec.verbs === undefined ? [spec] : Object.values<VerbSpec>(spec.verbs)
  return Object.assign({}, ...forms.map(({ options }) => options), COMMON_OPTIONS)
}
