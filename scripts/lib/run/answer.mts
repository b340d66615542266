import type { Arguments } from './command-line.mts'
import { exitCodes } from './errors.mts'

/** What a command has to say in the end. */
export interface Answer {
  /** Of `--json`. */
  document: unknown
  /** The same for a person. */
  text: string
  /** Default: done. */
  exitCode?: number | undefined
}

/** Prints an answer as it is wanted. @returns its exit code. */
export function printAnswer(args: Arguments, { document, text, exitCode = exitCodes.done }: Answer): number {
  process.stdout.write(`${args.flag('json') ? JSON.stringify(document, null, 2) : text}\n`)
  return exitCode
}
