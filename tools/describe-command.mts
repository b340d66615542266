import type { CommandForm, CommandSpec, OptionSpec, VerbSpec } from '../scripts/lib/run/command-spec.mts'
import { exitCodes } from '../scripts/lib/run/errors.mts'
import { useNamed } from './uses.mts'

/** Describes one command for PROJECT.yaml. @param makefile the text of the Makefile, whose targets are named. */
export function describeCommand(command: CommandSpec, makefile: string): object {
  const { name, summary, writes, example, verbs } = command
  const needs = command.uses.map(useNamed)
  const { done, failed, usage: misused, interrupted } = exitCodes
  const codes = [done, failed, misused, interrupted, ...needs.flatMap(need => need.exitCodes)]
  return {
    name,
    run: `zx scripts/${name}.mts`,
    make: targetsOf(name, makefile),
    summary,
    ...(verbs === undefined ? describeForm(command) : { verbs: describeVerbs(verbs) }),
    exitCodes: [...new Set(codes)].sort((a, b) => a - b),
    writes,
    environment: command.uses.filter(use => Object.keys(useNamed(use).variables).length > 0),
    example,
  }
}

function describeVerbs(verbs: Record<string, VerbSpec>): object {
  const described = Object.entries(verbs).map(([verb, spec]) => [
    verb,
    { summary: spec.summary, ...describeForm(spec) },
  ])
  return Object.fromEntries(described)
}

function describeForm({ usage, options, positionals }: CommandForm): object {
  return {
    usage: formsOf(usage),
    arguments: { max: Number.isFinite(positionals) ? positionals : null },
    options: Object.fromEntries(
      Object.entries(options).map(([option, spec]) => [`--${option}`, describeOption(spec)]),
    ),
  }
}

function describeOption({ type, multiple, words, value, choices, ...rest }: OptionSpec): object {
  const { default: fallback, help } = rest
  return {
    type,
    ...(multiple === true && { multiple }),
    ...(words === true && { words }),
    ...(value !== undefined && { value }),
    ...(choices !== undefined && { choices }),
    ...(fallback !== undefined && { default: fallback }),
    help,
  }
}

/** The ways to call it: what stands between bars, but not those inside of brackets. */
function formsOf(usage: string): string[] {
  return usage.split(/ \| (?![^[]*\])/)
}

/** The targets of the Makefile that run it. */
function targetsOf(name: string, makefile: string): string[] {
  return makefile
    .split('\n.PHONY: ')
    .filter(rule => rule.includes(`\t@zx scripts/${name}.mts`))
    .map(rule => rule.split('\n')[0]!)
    .filter(target => !target.startsWith('setup-'))
}
