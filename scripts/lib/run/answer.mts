import type { Arguments } from './command-line.mts'
import { exitCodes } from './errors.mts'
import { printJson, printText } from './print.mts'
import { jsonText } from './redact.mts'

/** Result of a command: one document for programs, one text for people. */
export interface Answer {
  /** Printed with `--json`. */
  document: unknown
  /** Printed without `--json`. */
  text: string
  /** Default: done. */
  exitCode?: number | undefined
  /** True for a command whose purpose is to hand over secrets. Its text is for a shell, and is printed as it is. */
  isSecret?: true
}

/** Prints the document with `--json`, otherwise the text. @returns The exit code. */
export function printAnswer(args: Arguments, answer: Answer): number {
  const { document, text, exitCode = exitCodes.done } = answer
  if (answer.isSecret)
    process.stdout.write(`${args.flag('json') ? jsonText(document, { redacted: false }) : text}\n`)
  else if (args.flag('json')) printJson(document)
  else printText(text)
  return exitCode
}
