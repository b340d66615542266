#!/usr/bin/env node
/** Entry point of the program `pve-lab`. */

import { parseArgs } from 'node:util'
import type { LabArguments } from './command.mts'
import { LabError, LabUsageError } from './core/lab-error.mts'
import { ALL_LAB_OPTIONS, LAB_OPTIONS, LAB_SUMMARY, LAB_VERBS } from './options.mts'

const COMMAND = 'pve-lab'

const OPTIONS: typeof ALL_LAB_OPTIONS = {
  ...ALL_LAB_OPTIONS,
  json: { type: 'boolean', help: 'print one JSON document on standard output, and nothing else there' },
  help: { type: 'boolean', help: 'print this text' },
}

process.exitCode = await main(process.argv.slice(2))

async function main(argv: string[]): Promise<number> {
  const signals = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => signals.abort())
  try {
    const args = parseWords(argv)
    if (args.flag('help')) {
      process.stdout.write(`${helpText()}\n`)
      return 0
    }
    const { runLabCommand } = await import('./command.mts')
    return await runLabCommand(COMMAND, args, signals.signal)
  } catch (error) {
    return report(error, argv.includes('--json'))
  }
}

/** @throws {LabUsageError} for an option that is unknown or lacks its value. */
function parseWords(argv: string[]): LabArguments {
  const { values, positionals } = parse(argv)
  const own = LAB_VERBS[positionals[0] ?? '']?.options ?? LAB_OPTIONS
  const other = Object.keys(values).find(name => !(name in own) && name in ALL_LAB_OPTIONS)
  if (other !== undefined) throw new LabUsageError(`${positionals[0]} has no --${other}`, `${COMMAND} --help`)
  return {
    positionals,
    string: name => (values[name] ?? OPTIONS[name]?.default)?.toString(),
    strings: name => [values[name] ?? []].flat().map(String),
    flag: name => values[name] === true,
  }
}

function parse(argv: string[]): ReturnType<typeof parseArgs> {
  const options = Object.fromEntries(
    Object.entries(OPTIONS).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  )
  try {
    return parseArgs({ args: argv, options, allowPositionals: true })
  } catch (error) {
    throw new LabUsageError((error as Error).message, `${COMMAND} --help`)
  }
}

function helpText(): string {
  const lines = Object.entries(OPTIONS).map(([name, option]): [string, string] => [
    option.value === undefined ? `--${name}` : `--${name} ${option.value}`,
    option.default === undefined ? option.help : `${option.help}; default ${option.default}`,
  ])
  const usage = Object.entries(LAB_VERBS)
    .map(([verb, { usage }]) => `${verb} ${usage}`.trim())
    .join(' | ')
  const width = Math.max(...lines.map(([left]) => left.length))
  return [
    `${COMMAND} ${usage}`,
    '',
    LAB_SUMMARY,
    '',
    ...lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    '',
    `Example: ${COMMAND} up --guests none`,
  ].join('\n')
}

/** Prints a failure as `error:` and `hint:`, or with its stack if it is a defect of the lab. */
function report(error: unknown, json: boolean): number {
  const exitCode = error instanceof LabUsageError ? 2 : 1
  const { message, stack } = error as Error
  const hint = error instanceof LabError ? error.hint : undefined
  process.stderr.write(`error: ${hint === undefined ? stack : `${message}\nhint: ${hint}`}\n`)
  if (json) process.stdout.write(`${JSON.stringify({ error: message, hint, exitCode })}\n`)
  return exitCode
}
