import type { Arguments } from './command-line.mts'
import { exitCodes } from './errors.mts'

/** Result of a command: one document for programs, one text for people. */
export interface Answer {
  /** Printed with `--json`. */
  document: unknown
  /** Printed without `--json`. */
  text: string
  /** Default: done. */
  exitCode?: number | undefined
}

/** Prints the document with `--json`, otherwise the text. @returns The exit code. */
export function printAnswer(args: Arguments, { document, text, exitCode = exitCodes.done }: Answer): number {
  process.stdout.write(`${args.flag('json') ? JSON.stringify(document, null, 2) : text}\n`)
  return exitCode
}
