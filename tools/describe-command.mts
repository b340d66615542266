import type { CommandSpec, OptionSpec } from '../scripts/lib/run/command-line.mts'
import { exitCodes } from '../scripts/lib/run/errors.mts'
import { useNamed } from './uses.mts'

/** Describes one command for PROJECT.yaml. @param makefile the text of the Makefile, whose targets are named. */
export function describeCommand(command: CommandSpec, makefile: string): object {
  const { name, summary, usage, options, positionals, writes, example } = command
  const needs = command.uses.map(useNamed)
  const { done, failed, usage: misused, interrupted } = exitCodes
  const codes = [done, failed, misused, interrupted, ...needs.flatMap(need => need.exitCodes)]
  return {
    name,
    run: `zx scripts/${name}.mts`,
    make: targetsOf(name, makefile),
    summary,
    usage: formsOf(usage),
    arguments: { max: Number.isFinite(positionals) ? positionals : null },
    options: Object.fromEntries(
      Object.entries(options).map(([option, spec]) => [`--${option}`, describeOption(spec)]),
    ),
    exitCodes: [...new Set(codes)].sort((a, b) => a - b),
    writes,
    environment: command.uses.filter(use => Object.keys(useNamed(use).variables).length > 0),
    example,
  }
}

function describeOption({ type, multiple, value, choices, default: fallback, help }: OptionSpec): object {
  return {
    type,
    ...(multiple === true && { multiple }),
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
