import { type Arguments, parseArguments } from './command-line.mts'
import type { CommandSpec } from './command-spec.mts'
import { exitCodes, formatError, messageOf, ProxmintError } from './errors.mts'
import { helpText } from './help.mts'
import { printJson } from './print.mts'

type Command<V extends string = string> = CommandSpec<V> & {
  /** @param signal Aborts on Ctrl-C, SIGTERM and SIGHUP. @returns The exit code; undefined: 0. */
  run(args: Arguments<V>, signal: AbortSignal): Promise<number | undefined>
}

let collected: Command[] | undefined

/** Imports the entries and returns their commands without running them. Call once per process: modules are cached. */
export async function commandsOf(entries: URL[]): Promise<Command[]> {
  collected = []
  for (const entry of entries) await import(entry.href)
  return collected
}

/**
 * Runs one command to its end. Only this function prints errors and sets the exit code. It never calls
 * `process.exit`, so that all output is written.
 */
export async function runMain<V extends string>(
  command: Command<V>,
  argv: string[] = scriptArguments(),
): Promise<void> {
  if (collected !== undefined) {
    collected.push(command as Command)
    return
  }
  // Nothing that this run or a program of it makes may be written by other users.
  process.umask(process.umask() | 0o022)
  const interruption = abortOnSignals()
  try {
    if (argv.includes('--help') && !beforeSeparator(argv, '--help')) {
      process.stdout.write(`${helpText(command, argv)}\n`)
      return
    }
    const args = parseArguments(command, argv)
    process.exitCode = (await command.run(args, interruption.signal)) ?? exitCodes.done
  } catch (error) {
    reportError(error, argv.includes('--json'))
  } finally {
    interruption.dispose()
  }
}

/** Arguments after the script: argv is `node zx script.mts ...` with zx, and `node script.mts ...` without. */
function scriptArguments(): string[] {
  const script = process.argv.findIndex((word, index) => index > 0 && word.endsWith('.mts'))
  return process.argv.slice(script + 1)
}

/** True if `--` stands before `word`: the word then belongs to another program. */
function beforeSeparator(argv: string[], word: string): boolean {
  const separator = argv.indexOf('--')
  return separator >= 0 && separator < argv.indexOf(word)
}

function reportError(error: unknown, json: boolean): void {
  process.exitCode = error instanceof ProxmintError ? error.exitCode : exitCodes.failed
  process.stderr.write(`${formatError(error)}\n`)
  if (json) {
    const details = error instanceof ProxmintError ? { facts: error.facts, hint: error.hint } : {}
    const document = { error: messageOf(error), ...details, exitCode: process.exitCode }
    printJson(document, 0)
  }
}

function abortOnSignals(): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, abort)
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of signals) process.off(name, abort)
    },
  }
}
